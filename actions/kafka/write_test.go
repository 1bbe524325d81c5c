package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// limited is a context for calls that should succeed.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// cat is a record as kcat prints it.
type cat struct {
	Partition int
	TS        int64
	Headers   []string
	Key       *string
	Payload   string
}

func readWithKcat(t *testing.T, addr, topic string) (records []cat) {
	t.Helper()
	for line := range strings.Lines(kcat(t, "-b", addr, "-t", topic, "-C", "-e", "-q", "-J", "-X", "fetch.wait.max.ms=10")) {
		var r cat
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		records = append(records, r)
	}
	return records
}

// What is written is read by another client, with each kind of acknowledgement and
// compression.
func TestRecordsAsOthersReadThem(t *testing.T) {
	addr := servertest.Kafka(t)
	c, topic := open(t, addr), makeTopic(t, addr, 4)
	payload := `{"temp":21.5,"text":"` + strings.Repeat("x", 1000) + `"}`
	var want []cat
	for _, acks := range []string{"all", "1", "0"} { // without them the topic must be ready
		for codec := range codecs {
			a := c.Action(Action{
				Topic: topic, Key: "k", Partition: "2", Headers: []Header{{"a", "b"}, {"left", "out"}, {"c", "d"}},
				ClientProperties: map[string]string{"acks": acks, "compression.type": codec},
			})
			require.NoError(t, a.Check())
			var evs []actions.Event
			for i := range 20 {
				key := fmt.Sprint(acks, codec, i)
				evs = append(evs, event(i, payload, topic, key, "2", "a", "b", "left", "", "c", "d"))
				want = append(want, cat{Partition: 2, TS: now.UnixMilli(), Headers: []string{"a", "b", "c", "d"}, Key: &key, Payload: payload})
			}
			for _, err := range a.DoBatch(limited(t), evs) {
				require.NoError(t, err)
			}
		}
	}
	var got []cat
	require.Eventually(t, func() bool { // without acknowledgements a call is faster than the broker
		got = readWithKcat(t, addr, topic)
		return len(got) == len(want)
	}, 30*time.Second, 50*time.Millisecond)
	require.ElementsMatch(t, want, got)
}

// A key has the partition that other clients choose for it.
func TestPartitionOfKey(t *testing.T) {
	addr := servertest.Kafka(t)
	topic := makeTopic(t, addr, 7)
	a := open(t, addr).Action(Action{Topic: topic, Key: "k"})
	theirs := ""
	for i := range 30 {
		key := fmt.Sprint("device-", i)
		theirs += key + ":theirs\n"
		require.NoError(t, a.Do(limited(t), event(i, "ours", topic, key, "")))
	}
	cmd := kcatProduce(t, addr, topic)
	cmd.Stdin = strings.NewReader(theirs)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	at := map[string]map[string]int{"ours": {}, "theirs": {}}
	for _, r := range readWithKcat(t, addr, topic) {
		at[r.Payload][*r.Key] = r.Partition
	}
	require.Len(t, at["ours"], 30)
	require.Equal(t, at["theirs"], at["ours"])
}

// Without a key the messages of an MQTT topic stay together.
func TestPartitionOfTopic(t *testing.T) {
	addr := servertest.Kafka(t)
	topic := makeTopic(t, addr, 5)
	a := open(t, addr).Action(Action{Topic: topic})
	var evs []actions.Event
	for i := range 200 {
		ev := event(i, fmt.Sprint(i%10, "/", i), topic, "", "")
		ev.Message.Topic = fmt.Sprint("dev/", i%10)
		evs = append(evs, ev)
	}
	for _, err := range a.DoBatch(limited(t), evs) {
		require.NoError(t, err)
	}
	at, last := map[string]int{}, map[string]int{}
	for _, r := range readWithKcat(t, addr, topic) {
		require.Nil(t, r.Key)
		of, _, _ := strings.Cut(r.Payload, "/")
		var n int
		_, err := fmt.Sscanf(r.Payload[len(of)+1:], "%d", &n)
		require.NoError(t, err)
		if before, some := last[of]; some {
			require.Greater(t, n, before)
			require.Equal(t, at[of], r.Partition)
		}
		last[of], at[of] = n, r.Partition
	}
	require.Len(t, at, 10)
}

// Records that Kafka refuses fail for good, and only these, although it refuses all of a
// batch with them.
func TestRefusedRecords(t *testing.T) {
	addr := servertest.Kafka(t)
	topic := makeTopic(t, addr, 2, "cleanup.policy", "compact") // which takes records with keys only
	a := open(t, addr).Action(Action{Topic: topic, Key: "${key}", Partition: "${partition}"})
	var evs []actions.Event
	bad := map[int]bool{3: true, 4: true, 17: true, 39: true}
	for i := range 40 {
		key := fmt.Sprint("key-", i)
		if bad[i] {
			key = ""
		}
		evs = append(evs, event(i, fmt.Sprint(i), topic, key, fmt.Sprint(i%2)))
	}
	evs = append(evs, event(40, "no such partition", topic, "k", "2"), event(41, "no topic", "a/b", "k", "0"), event(42, "no number", topic, "k", "x"))
	evs = append(evs, event(43, strings.Repeat("x", 1_500_000), topic, "k", "0"), event(44, "44", topic, "last", "0"))
	for i, err := range a.DoBatch(limited(t), evs) {
		switch {
		case bad[i]:
			require.ErrorIs(t, err, kerr.InvalidRecord)
			require.ErrorIs(t, err, actions.ErrPermanent)
		case i == 40:
			require.ErrorContains(t, err, "topic "+topic+" has no such partition")
			require.ErrorIs(t, err, actions.ErrPermanent)
		case i == 41:
			require.ErrorContains(t, err, `topic is "a/b", expected a Kafka topic`)
			require.ErrorIs(t, err, actions.ErrPermanent)
		case i == 42:
			require.ErrorContains(t, err, `partition is "x"`)
			require.ErrorIs(t, err, actions.ErrPermanent)
		case i == 43:
			require.ErrorIs(t, err, kerr.MessageTooLarge)
			require.ErrorIs(t, err, actions.ErrPermanent)
		default:
			require.NoError(t, err, i)
		}
	}
	var last [2]int
	got := readWithKcat(t, addr, topic)
	for _, r := range got {
		var n int
		_, err := fmt.Sscan(r.Payload, &n)
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, last[r.Partition])
		last[r.Partition] = n
	}
	require.Len(t, got, 40-len(bad)+1)
}

// An error because of the topic passes if the rule's author named it, and fails for good
// if a message did.
func TestTopicErrors(t *testing.T) {
	addr := servertest.Kafka(t)
	c, control := open(t, addr), admin(t, addr)
	locked, missing := makeTopic(t, addr, 1), topicName()
	unlock := lock(t, control, locked)
	for topic, want := range map[string]error{locked: kerr.TopicAuthorizationFailed, missing: kerr.UnknownTopicOrPartition} {
		err := c.Action(Action{Topic: topic}).Do(limited(t), event(1, "x", topic, "", ""))
		require.ErrorIs(t, err, want)
		require.NotErrorIs(t, err, actions.ErrPermanent)
		require.ErrorContains(t, err, topic)

		err = c.Action(Action{Topic: "${topic}"}).Do(limited(t), event(1, "x", topic, "", ""))
		require.ErrorIs(t, err, want)
		require.ErrorIs(t, err, actions.ErrPermanent)
	}
	unlock()
	createTopic(t, addr, missing, 1)
	for _, topic := range []string{locked, missing} {
		a := c.Action(Action{Topic: topic})
		require.Eventually(t, func() bool { return a.Do(limited(t), event(1, "x", topic, "", "")) == nil }, 30*time.Second, time.Millisecond)
	}
}

// A topic that is deleted and made again is written again.
func TestTopicMadeAgain(t *testing.T) {
	addr := servertest.Kafka(t)
	topic := makeTopic(t, addr, 1)
	a := open(t, addr).Action(Action{Topic: topic})
	require.NoError(t, a.Do(limited(t), event(1, "before", topic, "", "")))
	deleteTopic(t, addr, topic)
	require.Error(t, a.Do(limited(t), event(2, "meanwhile", topic, "", "")))
	createTopic(t, addr, topic, 1)
	require.Eventually(t, func() bool { return a.Do(limited(t), event(3, "after", topic, "", "")) == nil }, 30*time.Second, time.Millisecond)
	got := readWithKcat(t, addr, topic)
	require.Len(t, got, 1)
	require.Equal(t, "after", got[0].Payload)
}

// While the client lives nothing is written twice, however connections end and calls are
// given up: the next call for an event takes the result of the last one. And what records
// refer to stays, although an event's memory does not.
func TestOnce(t *testing.T) {
	addr := servertest.Kafka(t)
	proxy := sinktest.NewProxy(t, addr)
	topic := makeTopic(t, addr, 2)
	a := open(t, proxy.Addr()).Action(Action{Topic: topic, Key: "k", Headers: []Header{{"n", "n"}}})
	const events, size = 400, 20
	givenUp := 0
	for first := 0; first < events; first += size {
		todo := make([]int, 0, size)
		for i := range size {
			todo = append(todo, first+i)
		}
		for tries := 0; len(todo) > 0; tries++ {
			require.Less(t, tries, 1000)
			var evs []actions.Event
			for _, n := range todo {
				evs = append(evs, event(n, fmt.Sprint(n), topic, fmt.Sprint("key-", n%4), "", "n", fmt.Sprint(n)))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if tries < 2 {
				switch first / size % 4 {
				case 1: // the answer does not come in time
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
				case 2:
					proxy.Slow(5 * time.Millisecond)
					time.AfterFunc(4*time.Millisecond, proxy.Cut)
				case 3:
					proxy.Hang()
					time.AfterFunc(5*time.Millisecond, cancel)
				}
			} else {
				proxy.Up()
			}
			errs := a.DoBatch(ctx, evs)
			cancel()
			var left []int
			for k, err := range errs {
				if err != nil {
					require.NotErrorIs(t, err, actions.ErrPermanent)
					left = append(left, todo[k])
				}
			}
			givenUp += len(left)
			todo = left
			for _, ev := range evs { // as the engine does
				for i := range ev.Payload {
					ev.Payload[i] = '?'
				}
			}
		}
	}
	require.Positive(t, givenUp)
	seen, last := map[string]bool{}, map[string]int{}
	for _, r := range readWithKcat(t, addr, topic) {
		var n int
		_, err := fmt.Sscan(r.Payload, &n)
		require.NoError(t, err)
		require.False(t, seen[r.Payload], "%s was written twice", r.Payload)
		require.Equal(t, []string{"n", r.Payload}, r.Headers)
		require.GreaterOrEqual(t, n, last[*r.Key])
		seen[r.Payload], last[*r.Key] = true, n
	}
	require.Len(t, seen, events)

	p := a.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Empty(t, p.unsure)
	require.Zero(t, p.open)
}

// The same with many at once, which share partitions and their failures.
func TestOnceForMany(t *testing.T) {
	addr := servertest.Kafka(t)
	proxy := sinktest.NewProxy(t, addr)
	topic := makeTopic(t, addr, 2)
	a := open(t, proxy.Addr()).Action(Action{Topic: topic, Key: "k"})
	const workers, batches, size = 6, 15, 10
	calm := make(chan struct{})
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for b := range batches {
				var todo []actions.Event
				for i := range size {
					n := b*size + i
					todo = append(todo, event(w*1000+n, fmt.Sprint(n), topic, fmt.Sprint("worker-", w), ""))
				}
				for len(todo) > 0 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(30))*time.Millisecond)
					select {
					case <-calm:
						cancel()
						ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
					default:
					}
					var left []actions.Event
					for i, err := range a.DoBatch(ctx, todo) {
						if err != nil {
							left = append(left, todo[i])
						}
					}
					cancel()
					if todo = left; len(todo) > 0 {
						time.Sleep(time.Millisecond)
					}
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(2, 2))
	for range 60 {
		switch random.IntN(4) {
		case 0:
			proxy.Cut()
		case 1:
			proxy.Hang()
		case 2:
			proxy.Down()
		case 3:
			proxy.Slow(time.Duration(random.IntN(3000)) * time.Microsecond)
		}
		time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
		if random.IntN(2) == 0 {
			proxy.Up()
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		}
	}
	proxy.Down() // what hangs is lost
	proxy.Up()
	close(calm)
	all.Wait()

	next := map[string]int{}
	for _, r := range readWithKcat(t, addr, topic) {
		require.Equal(t, fmt.Sprint(next[*r.Key]), r.Payload, *r.Key) // each once, in order
		next[*r.Key]++
	}
	require.Len(t, next, workers)
	for key, n := range next {
		require.Equal(t, batches*size, n, key)
	}
}

// A call to a cluster that takes no connections ends before its time, and says why.
func TestNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	a := open(t, addr).Action(Action{Topic: "events"})
	err = a.Do(t.Context(), event(1, "x", "events", "", "")) // without a deadline
	require.ErrorContains(t, err, "connection refused")
	require.NotErrorIs(t, err, actions.ErrPermanent)

	require.NoError(t, a.client.Close())
	err = a.Do(t.Context(), event(1, "x", "events", "", ""))
	require.ErrorIs(t, err, kgo.ErrClientClosed)
	require.NotErrorIs(t, err, actions.ErrPermanent)
}

// Calls that are given up are told so.
func TestContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // and nobody answers
	require.NoError(t, err)
	defer l.Close()
	a := open(t, l.Addr().String()).Action(Action{Topic: "events"})
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	for range 2 { // the second one finds what the first one left
		for _, err := range a.DoBatch(ctx, []actions.Event{event(1, "x", "events", "", ""), event(2, "x", "events", "", "")}) {
			require.ErrorIs(t, err, why)
		}
	}
	p := a.producer
	p.mu.Lock()
	require.Equal(t, 2, p.open)
	p.mu.Unlock()
	require.EqualValues(t, 2, p.kgo.BufferedProduceRecords())
}

// What is known about records that nobody asks for any more has a bound.
func TestKeepIsBounded(t *testing.T) {
	p := newProducer()
	for n := range maxKnown + 10 {
		s := &sent{id: fmt.Sprint(n), result: make(chan struct{}), call: &call{p: p, done: make(chan struct{}), left: 1}}
		p.unsure[s.id], p.open = s, p.open+1
		s.finish(nil, nil)
	}
	require.Len(t, p.unsure, maxKnown)
	require.Zero(t, p.open)
	require.NotContains(t, p.unsure, "9")
	require.Contains(t, p.unsure, "10")
	require.True(t, p.take(p.unsure["10"]))
	require.NotContains(t, p.unsure, "10")
}

func TestGate(t *testing.T) {
	g := newGate()
	require.NoError(t, g.enter(t.Context()))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.close(ended), context.Canceled)
	require.NoError(t, g.enter(ended)) // all is as before
	g.leave()
	g.leave()
	require.NoError(t, g.close(t.Context()))
	require.ErrorIs(t, g.enter(ended), context.Canceled)
	require.ErrorIs(t, g.close(ended), context.Canceled)
	g.open()
	require.NoError(t, g.enter(ended))
}
