package rules

import (
	"fmt"
	"hash/maphash"
	"math/bits"
)

// ElsewhereThan returns a topic that is worked by another lane than the one given, of so
// many.
func ElsewhereThan(topic string, lanes int) string {
	lane := func(topic string) uint64 {
		i, _ := bits.Mul64(maphash.String(topicSeed, topic), uint64(lanes))
		return i
	}
	for i := 0; ; i++ {
		if other := fmt.Sprint("other", i); lane(other) != lane(topic) {
			return other
		}
	}
}
