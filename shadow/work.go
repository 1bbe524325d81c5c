package shadow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A section is one side of a document, taken apart.
type section struct {
	text  []byte  // as JSON; nil when the side has no keys
	in    *tree   // a tree with the side in it, or with what is the same but for its leaves
	root  uint32  // its node there
	times []int64 // of the leaves; none if all are of one time
	time  int64   // that one
	tree  tree    // the side's own, if it needs one
}

func (s *section) reset() { s.text, s.in, s.root, s.times = nil, nil, 0, s.times[:0] }

// empty reports that the side has no keys.
func (s *section) empty() bool { return s.in == nil }

// set makes the section a value of a tree.
func (s *section) set(t *tree, root uint32) { s.text, s.in, s.root = t.value(root), t, root }

// timeOf is the time of a leaf of the side's own tree.
func (s *section) timeOf(leaf uint32) int64 {
	if len(s.times) == 0 {
		return s.time
	}
	return s.times[leaf]
}

// timesFrom returns times from those of a node's leaves on.
func (s *section) timesFrom(node uint32) []int64 {
	if len(s.times) == 0 {
		return nil
	}
	return s.times[s.in.nodes[node].leaf-s.in.nodes[s.root].leaf:]
}

// appendTimes appends the times of the leaves in the nodes from..to, which follow
// each other.
func (s *section) appendTimes(dst []int64, from, to uint32) []int64 {
	first := s.in.nodes[s.root].leaf
	from, to = s.in.nodes[from].leaf-first, s.in.leavesBefore(to)-first
	if len(s.times) > 0 {
		return append(dst, s.times[from:to]...)
	}
	for range to - from {
		dst = append(dst, s.time)
	}
	return dst
}

// A work is the memory that one request is worked with: everything in it is used
// again by the next.
type work struct {
	scanner scanner
	tables  *tables // of the scanner

	tree    tree // the request
	request request
	hooked  tree // what a hook has put in place of state

	old, merged [2]*section // by Side
	sections    [4]section
	matches     []uint32 // by node of an old section: the node of the request with the same key

	deltaState, deltaMeta []byte
	shape                 []byte
	message               []byte // for everything but accepted
	accepted              []byte
	stamped               [2]span // where in it the metadata of the request's sides is
	delta                 span    // where in it the delta is, if it answers a get

	stamps [2]stamp // of the times that were last written
}

var works = sync.Pool{New: func() any {
	w := &work{}
	w.tables = &w.scanner.tables
	w.tables.hasher = newHasher()
	w.old = [2]*section{&w.sections[0], &w.sections[1]}
	return w
}}

// A span is a part of a text.
type span struct{ from, to int }

// mostKept is what a work may hold on to between requests.
const mostKept = 1 << 20

func newWork() *work { return works.Get().(*work) }

// free gives the work back. Nothing that was taken from it may be used afterwards.
func (w *work) free() {
	kept := cap(w.message) + cap(w.accepted) + cap(w.deltaMeta) + cap(w.deltaState) +
		4*(cap(w.matches)+cap(w.tables.slots)) + 40*cap(w.scanner.levels) + w.tree.kept() + w.hooked.kept()
	for i := range w.sections {
		s := &w.sections[i]
		kept += 8*cap(s.times) + s.tree.kept()
		s.text, s.tree.text = nil, nil
	}
	if kept > mostKept {
		return
	}
	w.tree.text, w.hooked.text, w.request = nil, nil, request{}
	works.Put(w)
}

// kept is how much memory a tree holds on to.
func (t *tree) kept() int { return cap(t.own) + 40*cap(t.nodes) }

// load takes a document apart into w.old. A side that is like what w.request puts in
// its place, as with a device that reports everything every time, has no tree of its own.
func (w *work) load(d Document) error {
	for _, s := range w.old {
		s.reset()
	}
	for _, side := range [...]Side{Desired, Reported} {
		s, text := w.old[side], d.Side(side)
		if len(text) == 0 {
			continue
		}
		shape, runs := d.Meta(side).split()
		if t, node := w.request.tree, w.request.sides[side]; node != 0 && alike(text, shape, t, node) {
			s.text, s.in, s.root = text, t, node
		} else {
			if !w.scanner.shaped(&s.tree, text, shape) {
				if err := w.scanner.section(s, text); err != nil {
					return fmt.Errorf("the stored %s %w", side, err)
				}
			}
			if s.tree.nodes[0].count == 0 {
				continue
			}
			s.set(&s.tree, 0)
		}
		s.times, s.time = expandTimes(s.times, runs, int(s.in.leavesOf(s.root)), d.Updated.Unix())
	}
	return nil
}

// section reads a side that somebody else has written.
func (s *scanner) section(to *section, text []byte) error {
	switch {
	case !s.read(&to.tree, text, deepest+1), to.tree.nodes[0].kind != kindObject:
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
		} else if !s.empty() {
			w.message = w.appendMeta(w.message, s)
		}
		ends[side] = len(w.message)
	}
	desired, reported := w.merged[Desired].text, w.merged[Reported].text
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
	w.shape = appendShape(w.shape[:0], s.in, s.root)
	dst = binary.AppendUvarint(dst, uint64(len(w.shape)))
	dst = append(dst, w.shape...)
	if leaves := s.in.leavesOf(s.root); len(s.times) == 0 && leaves > 0 {
		return appendRun(dst, int(leaves), s.time)
	}
	return appendRuns(dst, s.times)
}
