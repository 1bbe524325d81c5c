package shadow

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Difference is what makes one document of another.
type Difference struct {
	// Desired and Reported are JSON merge patches (RFC 7396): what is set to another
	// value has it, what is removed is null, what is as before is left out. nil says
	// that the side is as before; null, that all of it is removed.
	Desired, Reported []byte
	// Values are the values that are not as before: those of desired before those of
	// reported, of each side in the order of the first document, then what is new in
	// the order of the second one.
	Values []ValueChange
}

// A ValueChange is a value that is not as before.
type ValueChange struct {
	Side Side
	// Path is a JSON pointer (RFC 6901) into the side, such as "/fan/speed": to where
	// the documents part. Below it are no other ones: an object that is new, and an
	// array that changed, are one value.
	Path string
	// Old and New are the values as JSON: nil where there is none.
	Old, New []byte
}

// Equal reports whether there is no difference.
func (d Difference) Equal() bool { return len(d.Desired) == 0 && len(d.Reported) == 0 }

// AppendJSON appends {"desired":…,"reported":…} without the sides that are as before: as
// the state of an update it makes the one document of the other.
func (d Difference) AppendJSON(dst []byte) []byte { return appendSides(dst, d.Desired, d.Reported) }

// Diff returns what makes after of before, two versions of a shadow say. Values are
// compared by value, as for a delta: 1 and 1.0 are equal, and the order of keys does not
// matter. A document that is not Live is empty. The error tells that a document is
// damaged.
func Diff(before, after Document) (Difference, error) {
	var d Difference
	w := newWork()
	defer w.free()
	for _, side := range [...]Side{Desired, Reported} {
		patch, err := d.compare(w, side, before.Side(side), after.Side(side))
		if err != nil {
			return Difference{}, fmt.Errorf("shadow: the %s side %w", side, err)
		}
		if side == Desired {
			d.Desired = patch
		} else {
			d.Reported = patch
		}
	}
	return d, nil
}

// compare adds the values of one side and returns its patch.
func (d *Difference) compare(w *work, side Side, before, after []byte) ([]byte, error) {
	a, b := &w.sections[0], &w.sections[1]
	if err := w.scanner.section(a, orEmpty(before)); err != nil {
		return nil, err
	}
	if err := w.scanner.section(b, orEmpty(after)); err != nil {
		return nil, err
	}
	f := differ{work: w, side: side, a: &a.tree, b: &b.tree, values: d.Values}
	f.object(0, 0)
	d.Values = f.values
	switch {
	case len(f.patch) == len("{}"):
		return nil, nil
	case b.tree.nodes[0].count == 0:
		return []byte("null"), nil
	}
	return f.patch, nil
}

// orEmpty is a side, or the empty object of one that is absent.
func orEmpty(text []byte) []byte {
	if len(text) == 0 {
		return []byte("{}")
	}
	return text
}

// A differ compares two trees. It recurses as deep as a document.
type differ struct {
	work   *work
	side   Side
	a, b   *tree
	path   []byte
	patch  []byte
	values []ValueChange
}

// object adds what makes the object bi of ai to the patch, an object too.
func (f *differ) object(ai, bi uint32) {
	f.patch = append(f.patch, '{')
	in := f.work.tables.find(f.b, bi)
	for c, end := ai+1, f.a.nodes[ai].next; c < end; c = f.a.nodes[c].next {
		n := &f.a.nodes[c]
		at, found := in.get(f.a, c)
		switch {
		case !found:
			f.value(f.a, c, f.a.value(c), nil)
		case n.kind == kindObject && f.b.nodes[at].kind == kindObject:
			f.member(c, at)
		case !f.work.equal(f.a, c, f.b, at):
			f.value(f.a, c, f.a.value(c), f.b.value(at))
		}
	}
	in.close()
	in = f.work.tables.find(f.a, ai)
	for c, end := bi+1, f.b.nodes[bi].next; c < end; c = f.b.nodes[c].next {
		if _, found := in.get(f.b, c); !found {
			f.value(f.b, c, nil, f.b.value(c))
		}
	}
	in.close()
	f.patch = append(f.patch, '}')
}

// member adds what makes one member that is an object of another, if anything does.
func (f *differ) member(ac, bc uint32) {
	patch, path := len(f.patch), len(f.path)
	f.patch = appendKey(f.patch, f.a, ac)
	f.path = appendPointer(f.path, f.a.key(ac))
	from := len(f.patch)
	f.object(ac, bc)
	if len(f.patch) == from+len("{}") {
		f.patch = f.patch[:patch]
	}
	f.path = f.path[:path]
}

// value adds a member that is in one of the trees only, or has another value.
func (f *differ) value(t *tree, c uint32, was, is []byte) {
	path := len(f.path)
	f.path = appendPointer(f.path, t.key(c))
	v := ValueChange{Side: f.side, Path: string(f.path), Old: clone(was), New: clone(is)}
	f.path = f.path[:path]
	f.values = append(f.values, v)
	f.patch = appendKey(f.patch, t, c)
	if is == nil {
		f.patch = append(f.patch, "null"...)
	} else {
		f.patch = append(f.patch, is...)
	}
}

// clone returns a part of a tree in memory of its own.
func clone(text []byte) []byte { return append([]byte(nil), text...) }

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// appendPointer appends a key, given as JSON between the quotes, to a JSON pointer.
func appendPointer(dst, key []byte) []byte {
	return append(append(dst, '/'), escapePointer.Replace(unquote(key))...)
}

// unquote is the text of a canonical JSON string, given between its quotes.
func unquote(text []byte) string {
	for _, c := range text {
		if c == '\\' {
			var s string
			if json.Unmarshal(append(append([]byte{'"'}, text...), '"'), &s) == nil {
				return s
			}
			break
		}
	}
	return string(text)
}
