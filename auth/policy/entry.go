package policy

// An entry is a pattern of a statement for names of one kind, without scope and kind.
// Most entries that do not match are told by eight bytes at either end.
type entry struct {
	text  string
	first uint64 // up to eight bytes of the head, the text before the first wildcard
	last  uint64 // exact, run: the head's last eight bytes; glob: up to eight of the tail
	st    int32
	head  int32
	least int32 // bytes of the shortest name that matches
	set   actionSet
	shape shape
	// How far to shift eight bytes of a name so that those remain that are compared.
	firstShift, lastShift uint8
}

type shape uint8

const (
	exact shape = iota
	run         // text, then anything
	glob
)

func newEntry(text string, st int, set actionSet) entry {
	e := entry{text: text, st: int32(st), set: set}
	head := wildAt(text)
	e.head = int32(head)
	for i := range len(text) {
		if text[i] != anyRun {
			e.least++
		}
	}
	e.first = firstBytes(text[:head])
	e.firstShift = shiftFor(head)
	switch {
	case head == len(text):
		e.last = lastBytes(text)
	case text[head:] == anyRunText:
		e.shape = run
		if head > 8 {
			e.last = lastBytes(text[:head])
		}
	default:
		e.shape = glob
		tail := len(text)
		for !isWild(text[tail-1]) {
			tail--
		}
		n := min(len(text)-tail, 8)
		e.lastShift = shiftFor(n)
		e.last = lastBytes(text[len(text)-n:]) >> e.lastShift
	}
	e.first <<= e.firstShift
	return e
}

// A probe is a name with the bytes that entries look at first.
type probe struct {
	name        string
	first, last uint64
}

func newProbe(name string) probe {
	if len(name) >= 8 {
		return probe{name, eight(name, 0), eight(name, len(name)-8)}
	}
	first := firstBytes(name)
	return probe{name, first, first << shiftFor(len(name))}
}

// tail is the probe of an end of the name.
func (p *probe) tail(name string) probe {
	if len(name) >= 8 {
		return probe{name, eight(name, 0), p.last}
	}
	shift := shiftFor(len(name))
	first := p.last >> shift
	return probe{name, first, first << shift}
}

// eight is eight bytes of s, the first being the lowest.
func eight(s string, at int) uint64 {
	_ = s[at+7]
	return uint64(s[at]) | uint64(s[at+1])<<8 | uint64(s[at+2])<<16 | uint64(s[at+3])<<24 |
		uint64(s[at+4])<<32 | uint64(s[at+5])<<40 | uint64(s[at+6])<<48 | uint64(s[at+7])<<56
}

// firstBytes is up to eight bytes of s, the first one lowest, zeros above.
func firstBytes(s string) uint64 {
	if len(s) >= 8 {
		return eight(s, 0)
	}
	var n uint64
	for i := len(s) - 1; i >= 0; i-- {
		n = n<<8 | uint64(s[i])
	}
	return n
}

// lastBytes is up to eight bytes of s, the last one highest, zeros below.
func lastBytes(s string) uint64 {
	if len(s) >= 8 {
		return eight(s, len(s)-8)
	}
	return firstBytes(s) << shiftFor(len(s))
}

// shiftFor is how far to shift eight bytes so that n of them remain.
func shiftFor(n int) uint8 { return uint8(64 - 8*min(n, 8)) }

// matches reports whether a name fits whose first bytes do. Zeros that fill up short names
// are told from zeros in names by the length.
func (e *entry) matches(p *probe) bool {
	if len(p.name) < int(e.least) {
		return false
	}
	head := int(e.head)
	switch e.shape {
	case exact:
		return len(p.name) == head && p.last == e.last && (head <= 16 || p.name[8:head-8] == e.text[8:head-8])
	case run:
		return head <= 8 || eight(p.name, head-8) == e.last && (head <= 16 || p.name[8:head-8] == e.text[8:head-8])
	default:
		return p.last>>e.lastShift == e.last && p.name[:head] == e.text[:head] && match(e.text[head:], p.name[head:])
	}
}
