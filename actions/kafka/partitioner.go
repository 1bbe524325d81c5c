package kafka

import (
	"hash/fnv"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"
)

// How a record's Partition says where it goes, until it is there: a number is that
// partition, byKey the one of its key, and anything below a hash.
const (
	byKey    int32 = -1
	noSuch   int32 = math.MinInt32 // there is no such partition
	hashMask       = 1<<30 - 1
)

// byTopic returns the partition of the messages of an MQTT topic, whatever their number.
func byTopic(topic string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(topic))
	return -2 - int32(h.Sum32()&hashMask)
}

// partitioner chooses partitions. All records need a certain one: it is what keeps them in
// order.
type partitioner struct{}

// keyed is as other clients do it.
var keyed = kgo.StickyKeyPartitioner(nil)

func (partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{keyed.ForTopic(topic)}
}

type topicPartitioner struct{ keyed kgo.TopicPartitioner }

func (topicPartitioner) RequiresConsistency(*kgo.Record) bool { return true }

func (t topicPartitioner) Partition(r *kgo.Record, n int) int {
	switch p := r.Partition; {
	case p == byKey:
		return t.keyed.Partition(r, n)
	case p < 0:
		return int(-2-p) % n
	case int(p) < n:
		return int(p)
	}
	r.Partition = noSuch
	return -1
}
