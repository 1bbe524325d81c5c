package sql

import "unsafe"

// An arena is memory for the texts that a run makes. Texts stay where they are when it
// grows, and are valid until it is reset.
type arena struct {
	bytes []byte
	most  int  // how many there may be; 0 is no bound
	full  bool // whether there was one too many
}

// mostKept bounds what is kept for the next run.
const mostKept = 64 << 10

// mark says where the next text begins.
func (a *arena) mark() int { return len(a.bytes) }

// since returns what was appended since a mark; nothing where the arena is full.
func (a *arena) since(mark int) string {
	if a.bounds(len(a.bytes)) {
		a.bytes = a.bytes[:mark]
		return ""
	}
	return view(a.bytes[mark:])
}

// bounds notes and reports that n bytes are too many.
func (a *arena) bounds(n int) bool {
	if a.most > 0 && n > a.most {
		a.full = true
		return true
	}
	return false
}

// used reports that somebody has tried to put something in.
func (a *arena) used() bool { return len(a.bytes) > 0 || a.full }

// allow lets so many more bytes in.
func (a *arena) allow(n int) { a.most, a.full = len(a.bytes)+n, false }

// copy returns a copy of b that lives in the arena.
func (a *arena) copy(b []byte) string {
	from := a.mark()
	a.bytes = append(a.bytes, b...)
	return a.since(from)
}

func (a *arena) reset() {
	if cap(a.bytes) > mostKept {
		a.bytes = nil
	}
	a.bytes, a.most, a.full = a.bytes[:0], 0, false
}

// view returns bytes that nobody changes as a string.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// viewBytes returns a string as bytes that nobody may change.
func viewBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
