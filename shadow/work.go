package shadow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A section is one side of a document, taken apart. The tree is empty when the
// side has no keys.
type section struct {
	tree  tree
	times []int64 // of the leaves
	text  []byte  // of the tree, where the section has made it
}

func (s *section) reset() {
	s.tree.reset()
	s.times = s.times[:0]
}

// A work is the memory that one request is worked with: everything in it is used
// again by the next.
type work struct {
	scanner scanner
	tables  *tables // of the scanner

	clean   []byte // the request in the one form
	tree    tree   // the request
	request request
	again   []byte // the same of what a hook has put in place of state
	hooked  tree

	old, merged [2]*section // by Side
	sections    [4]section
	matches     []uint32 // by node of an old section: the node of the request with the same key

	deltaState, deltaMeta []byte
	shape                 []byte
	message               []byte // for everything but accepted
	accepted              []byte
	stamped               [2]span // the metadata of the request's sides in accepted

	stamps  [2][]byte // {"timestamp":…} of the times that were last written
	stampOf [2]int64
}

var works = sync.Pool{New: func() any {
	w := &work{scanner: scanner{hasher: newHasher()}, stampOf: [2]int64{-1, -1}}
	w.tables = &w.scanner.tables
	return w
}}

// most is what a work may hold on to between requests.
const mostKept = 1 << 20

func newWork() *work { return works.Get().(*work) }

// free gives the work back. Nothing that was taken from it may be used afterwards.
func (w *work) free() {
	kept := cap(w.clean) + cap(w.again) + cap(w.message) + cap(w.accepted) + cap(w.deltaMeta) + cap(w.deltaState) +
		4*(cap(w.matches)+cap(w.tables.slots)) + 24*cap(w.scanner.levels) +
		32*(cap(w.tree.nodes)+cap(w.hooked.nodes))
	for i := range w.sections {
		s := &w.sections[i]
		kept += cap(s.text) + 8*cap(s.times) + 32*cap(s.tree.nodes)
		s.tree.text = nil
	}
	if kept > mostKept {
		return
	}
	w.tree.text, w.hooked.text, w.request = nil, nil, request{}
	works.Put(w)
}

// load takes a document apart into w.old.
func (w *work) load(d Document) error {
	for side := range w.old {
		w.old[side] = &w.sections[side]
		w.old[side].reset()
	}
	for _, side := range [...]Side{Desired, Reported} {
		s := w.old[side]
		text := d.Side(side)
		if len(text) == 0 {
			continue
		}
		shape, runs := d.Meta(side).split()
		if !w.scanner.shaped(&s.tree, text, shape) {
			if err := w.scanner.section(s, text); err != nil {
				s.reset()
				return fmt.Errorf("the stored %s %w", side, err)
			}
		}
		if s.tree.nodes[0].count == 0 {
			s.reset()
			continue
		}
		s.times = expandTimes(s.times, runs, int(s.tree.leaves), d.Updated.Unix())
	}
	return nil
}

// section reads a side that somebody else has written.
func (s *scanner) section(to *section, text []byte) error {
	switch {
	case !s.read(&to.tree, text, &to.text, deepest+1), to.tree.nodes[0].kind != kindObject:
		return errors.New("is not a JSON object")
	case s.duplicate:
		return errors.New("has a key twice")
	}
	return nil
}

// document makes what is stored of w.merged, in memory of its own. Of a side that
// is as before it takes the meta of old.
func (w *work) document(old Document, version int64, now time.Time) Document {
	d := Document{Version: version, Updated: now}
	w.message = w.message[:0]
	var ends [2]int
	for _, side := range [...]Side{Desired, Reported} {
		if s := w.merged[side]; s == w.old[side] {
			w.message = append(w.message, old.Meta(side)...)
		} else if !s.tree.empty() {
			w.message = w.appendMeta(w.message, s)
		}
		ends[side] = len(w.message)
	}
	desired, reported := w.merged[Desired].tree.text, w.merged[Reported].tree.text
	all := make([]byte, 0, len(desired)+len(reported)+len(w.message))
	cut := func(part []byte) []byte {
		if len(part) == 0 {
			return nil
		}
		from := len(all)
		all = append(all, part...)
		return all[from:len(all):len(all)]
	}
	d.Desired, d.Reported = cut(desired), cut(reported)
	d.DesiredMeta, d.ReportedMeta = cut(w.message[:ends[Desired]]), cut(w.message[ends[Desired]:])
	return d
}

func (w *work) appendMeta(dst []byte, s *section) []byte {
	w.shape = appendShape(w.shape[:0], &s.tree)
	dst = binary.AppendUvarint(dst, uint64(len(w.shape)))
	return appendTimes(append(dst, w.shape...), s.times)
}
