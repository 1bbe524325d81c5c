package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// through connects to addr whatever broker is meant: to a proxy in front of all of them.
func through(addr string) kgo.Opt {
	return kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	})
}

// open opens a client of a cluster, which is reached through addr.
func open(tb testing.TB, addr string, opts ...kgo.Opt) *Client {
	tb.Helper()
	c, err := Open(Config{Sink: sinktest.Quick(kind, "main"), Brokers: []string{addr}, Options: append(opts, through(addr))})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	return c
}

// admin asks the broker with a client of its own.
func admin(tb testing.TB, addr string, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr), kgo.MetadataMinAge(20 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
	}, opts...)...)
	require.NoError(tb, err)
	tb.Cleanup(c.Close)
	return c
}

var topics atomic.Int64

func topicName() string { return fmt.Sprintf("events.%d", topics.Add(1)) }

// makeTopic makes a topic of its own for a test; config are pairs.
func makeTopic(tb testing.TB, addr string, partitions int32, config ...string) string {
	tb.Helper()
	name := topicName()
	createTopic(tb, addr, name, partitions, config...)
	return name
}

func createTopic(tb testing.TB, addr, name string, partitions int32, config ...string) {
	tb.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for i := 0; i < len(config); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = config[i], &config[i+1]
		topic.Configs = append(topic.Configs, c)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	req.Topics = append(req.Topics, topic)
	k := admin(tb, addr)
	resp, err := req.RequestWith(tb.Context(), k)
	require.NoError(tb, err)
	require.NoError(tb, kerr.ErrorForCode(resp.Topics[0].ErrorCode))
	require.Eventually(tb, func() bool { return hasLeaders(tb, k, name, partitions) }, 30*time.Second, time.Millisecond)
}

// hasLeaders reports whether a topic can be used, which is a little after it was made.
func hasLeaders(tb testing.TB, k *kgo.Client, topic string, partitions int32) bool {
	tb.Helper()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for n := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = n, -1
		t.Partitions = append(t.Partitions, p)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.Topics = append(req.Topics, t)
	for _, shard := range k.RequestSharded(tb.Context(), req) {
		resp, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if shard.Err != nil || !ok {
			return false
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					return false
				}
			}
		}
	}
	return true
}

func deleteTopic(tb testing.TB, addr, name string) {
	tb.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 10_000
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	req.Topics, req.TopicNames = append(req.Topics, topic), append(req.TopicNames, name)
	resp, err := req.RequestWith(tb.Context(), admin(tb, addr))
	require.NoError(tb, err)
	require.NoError(tb, kerr.ErrorForCode(resp.Topics[0].ErrorCode))
}

// lock forbids to write to a topic until the function that it returns is called. Who asks is
// nobody in particular, User:ANONYMOUS.
func lock(tb testing.TB, k *kgo.Client, topic string) (unlock func()) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	req := kmsg.NewPtrCreateACLsRequest()
	for op, permission := range map[kmsg.ACLOperation]kmsg.ACLPermissionType{
		kmsg.ACLOperationRead: kmsg.ACLPermissionTypeAllow, kmsg.ACLOperationWrite: kmsg.ACLPermissionTypeDeny,
	} {
		acl := kmsg.NewCreateACLsRequestCreation()
		acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = kmsg.ACLResourceTypeTopic, topic, kmsg.ACLResourcePatternTypeLiteral
		acl.Principal, acl.Host, acl.Operation, acl.PermissionType = "User:ANONYMOUS", "*", op, permission
		req.Creations = append(req.Creations, acl)
	}
	resp, err := req.RequestWith(ctx, k)
	require.NoError(tb, err)
	for _, r := range resp.Results {
		require.NoError(tb, kerr.ErrorForCode(r.ErrorCode))
	}
	return func() {
		filter := kmsg.NewDeleteACLsRequestFilter()
		filter.ResourceType, filter.ResourceName, filter.ResourcePatternType = kmsg.ACLResourceTypeTopic, &topic, kmsg.ACLResourcePatternTypeLiteral
		filter.Operation, filter.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
		req := kmsg.NewPtrDeleteACLsRequest()
		req.Filters = append(req.Filters, filter)
		resp, err := req.RequestWith(ctx, k)
		require.NoError(tb, err)
		require.Len(tb, resp.Results[0].MatchingACLs, 2)
	}
}

// reader returns a function that returns all records of a topic so far.
func reader(tb testing.TB, addr, topic string, partitions int32) func(tb testing.TB) []*kgo.Record {
	tb.Helper()
	from := map[int32]kgo.Offset{}
	for p := range partitions {
		from[p] = kgo.NewOffset().AtStart()
	}
	k := admin(tb, addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchMaxWait(25*time.Millisecond))
	var mu sync.Mutex
	var records []*kgo.Record
	return func(tb testing.TB) []*kgo.Record {
		tb.Helper()
		mu.Lock()
		defer mu.Unlock()
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			got := k.PollFetches(ctx)
			cancel()
			if got.NumRecords() == 0 {
				return records
			}
			records = append(records, got.Records()...)
		}
	}
}

// rig is one for package sinktest.
func rig(tb testing.TB) sinktest.Rig {
	const partitions = 3
	addr := servertest.Kafka(tb)
	topic := makeTopic(tb, addr, partitions, "max.message.bytes", "600000")
	read, control := reader(tb, addr, topic, partitions), admin(tb, addr)
	noise := rand.NewChaCha8([32]byte{1})
	text := make([]byte, 900_000) // which the client takes, and which does not get small enough
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[noise.Uint64()%64]
	}
	poison, _ := json.Marshal(map[string]string{"text": string(text)})
	return sinktest.Rig{
		Addr: addr,
		Action: func(tb testing.TB, addr string) actions.Action {
			return open(tb, addr).Action(Action{Topic: topic, Headers: []Header{{"topic", "${topic()}"}}})
		},
		Read: func(tb testing.TB) (records []sinktest.Record) {
			for _, r := range read(tb) {
				records = append(records, sinktest.Parse(tb, r.Value))
			}
			return records
		},
		Break:  func(tb testing.TB) func() { return lock(tb, control, topic) },
		Poison: poison,
	}
}

func TestFaults(t *testing.T) { sinktest.Run(t, rig) }

func BenchmarkThroughput(b *testing.B) { sinktest.Bench(b, rig) }

// now is when all messages come: Kafka soon deletes what is old.
var now = time.UnixMilli(time.Now().UnixMilli())

// event is what the engine would make.
func event(n int, payload string, params ...string) actions.Event {
	return actions.Event{
		Rule: "rule", Payload: []byte(payload), Params: params, Attempt: 1,
		Message: &actions.Message{
			Topic: "dev/a/temp", ClientID: "a", TraceID: actions.NamedTraceID(fmt.Sprint("trace-", n)), Time: now,
		},
	}
}

// kcat runs kcat, which is a client of other people.
func kcat(tb testing.TB, args ...string) string {
	tb.Helper()
	path, err := servertest.Find("kcat")
	require.NoError(tb, err)
	out, err := exec.Command(path, args...).Output()
	require.NoError(tb, err, "kcat %s", strings.Join(args, " "))
	return string(out)
}

// kcatProduce writes KEY:VALUE lines.
func kcatProduce(tb testing.TB, addr, topic string) *exec.Cmd {
	tb.Helper()
	path, err := servertest.Find("kcat")
	require.NoError(tb, err)
	return exec.Command(path, "-b", addr, "-t", topic, "-P", "-K", ":", "-X", "topic.partitioner=murmur2_random")
}
