package rules

import (
	"math"
	"sync/atomic"
)

// A load is what of a rule waits or is in work: how many messages, and their bytes. Both
// are in one word, the bytes in its lower part, so that a message is judged by both at
// once and one that is refused was never counted.
type load struct{ word atomic.Uint64 }

const (
	loadBits  = 38
	loadOne   = 1 << loadBits
	loadBytes = loadOne - 1
)

// The bounds of a queue, with its reserve, fit twice into a load.
const (
	maxQueue      = 1 << 24
	maxQueueBytes = min(1<<36, math.MaxInt) // there are systems of 32 bits
)

func (l *load) messages() int64 { return int64(l.word.Load() >> loadBits) }

// A crush is why a message was refused: so many messages with so many bytes are there.
type crush struct {
	messages, bytes int64
	byBytes         bool
}

// enter counts a message of a size, if there are fewer than most then and not more than
// mostBytes. What comes when there is nothing is taken, however large it is. It returns
// how many messages there are now, or why the message was refused.
func (l *load) enter(size, most, mostBytes int64) (n int64, c crush, ok bool) {
	for {
		was := l.word.Load()
		n, bytes := int64(was>>loadBits), int64(was&loadBytes)
		switch {
		case n >= most:
			return 0, crush{n, bytes, false}, false
		case n > 0 && bytes+size > mostBytes:
			return 0, crush{n, bytes, true}, false
		}
		if l.word.CompareAndSwap(was, was+loadOne+uint64(size)) {
			return n + 1, crush{}, true
		}
	}
}

// grow counts more bytes of a message that is there, and returns how many it did: none if
// there are far too many for any bound.
func (l *load) grow(size int64) int64 {
	if l.word.Add(uint64(size))&loadBytes > loadBytes/4*3 {
		l.word.Add(-uint64(size))
		return 0
	}
	return size
}

// leave is the opposite of enter and grow for n messages. It reports that none is left.
func (l *load) leave(n, bytes int64) bool {
	return l.word.Add(-(uint64(n)<<loadBits+uint64(bytes)))>>loadBits == 0
}
