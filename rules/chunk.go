package rules

import (
	"sync"
	"sync/atomic"
)

// The sizes of a chunk.
const (
	chunkItems = 64
	chunkBytes = 16 << 10
)

// A chunk is memory for items that come one after the other, and for their texts and
// bytes. It is used again when all of its items are done; since the messages of a track
// are done in about the order in which they came, few items keep a chunk from that.
type chunk struct {
	items  [chunkItems]item
	memory [chunkBytes]byte

	used   int          // of items; guarded by track.mu
	filled int          // of memory; guarded by track.mu
	left   atomic.Int32 // items that are not done; while a track has the chunk, chunkOpen less those that are
}

// chunkOpen is more than items are in a chunk, so that it is not done while a track has it.
const chunkOpen = 1 << 20

var chunks = sync.Pool{New: func() any { return &chunk{} }}

func openChunk() *chunk {
	c := chunks.Get().(*chunk)
	c.used, c.filled = 0, 0
	c.left.Store(chunkOpen)
	return c
}

// take returns the next item, for which there are n bytes from c.filled on; nil if there
// is no room.
func (c *chunk) take(n int) *item {
	if c.used == chunkItems || c.filled+n > chunkBytes {
		return nil
	}
	it := &c.items[c.used]
	it.chunk = c
	c.used++
	return it
}

// idle reports that no item of an open chunk is on its way.
func (c *chunk) idle() bool { return int(chunkOpen-c.left.Load()) == c.used }

// close notes that no item will be taken any more.
func (c *chunk) close() { c.done(chunkOpen - c.used) }

// done notes that n items are done. They must not be touched afterwards.
func (c *chunk) done(n int) {
	if c.left.Add(-int32(n)) == 0 {
		// What its items point to lies in the chunk, but for the revision; so there is
		// nothing to clear.
		chunks.Put(c)
	}
}
