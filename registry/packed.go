package registry

import (
	"encoding/binary"
	"slices"
)

// A packedThing is a Thing in one string: a map of three attributes alone would
// take more room than all of it. Names of types are shared by the things that have
// them, as far as their creators share them.
type packedThing struct {
	// data is name, id and then name and value of each attribute, each after its
	// length.
	data    string
	typ     string
	version int64
}

// Revision returns the version; see [Versioned].
func (p packedThing) Revision() int64 { return p.version }

func packThing(t Thing) packedThing {
	size := field(t.Name) + field(t.ID)
	for k, v := range t.Attributes {
		size += field(k) + field(v)
	}
	data := make([]byte, 0, size)
	data = appendField(appendField(data, t.Name), t.ID)
	if len(t.Attributes) > 0 {
		var room [8]string
		keys := room[:0]
		for k := range t.Attributes {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			data = appendField(appendField(data, k), t.Attributes[k])
		}
	}
	return packedThing{data: string(data), typ: t.Type, version: t.Version}
}

func (p packedThing) unpack() Thing {
	t := Thing{Type: p.typ, Version: p.version}
	rest := p.data
	t.Name, rest = cutField(rest)
	t.ID, rest = cutField(rest)
	if rest != "" {
		n := 0
		for r := rest; r != ""; n++ {
			_, r = cutField(r)
		}
		t.Attributes = make(map[string]string, n/2)
		for rest != "" {
			var k, v string
			k, rest = cutField(rest)
			v, rest = cutField(rest)
			t.Attributes[k] = v
		}
	}
	return t
}

// attributes yields names and values, sorted by name.
func (p *packedThing) attributes(yield func(name, value string) bool) {
	_, rest := cutField(p.data)
	_, rest = cutField(rest)
	for rest != "" {
		var k, v string
		k, rest = cutField(rest)
		v, rest = cutField(rest)
		if !yield(k, v) {
			return
		}
	}
}

// attribute returns the value of an attribute.
func (p *packedThing) attribute(name string) (value string, ok bool) {
	for k, v := range p.attributes {
		if k == name {
			return v, true
		}
	}
	return "", false
}

// field returns how many bytes s takes in a packed record.
func field(s string) int {
	n := 1
	for l := len(s); l >= 0x80; l >>= 7 {
		n++
	}
	return n + len(s)
}

func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cutField reads what appendField wrote.
func cutField(s string) (field, rest string) {
	n, shift := 0, 0
	for i := range len(s) {
		n |= int(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			return s[i+1 : i+1+n], s[i+1+n:]
		}
		shift += 7
	}
	return "", ""
}
