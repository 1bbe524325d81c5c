package brokertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
)

// TestRetainedStore checks a store against the contract of [broker.RetainedStore].
// open returns a new, empty store; it is called once per part of the suite.
func TestRetainedStore(t *testing.T, open func(t *testing.T) broker.RetainedStore) {
	t.Run("keeps the last message of a topic", func(t *testing.T) {
		s := open(t)
		put(t, s, "a/b", "one")
		put(t, s, "a/b", "two")
		require.Equal(t, []string{"a/b=two"}, match(t, s, "a/b"))
	})
	t.Run("deletes, also what is not there", func(t *testing.T) {
		s := open(t)
		put(t, s, "a", "1")
		require.NoError(t, s.Delete(t.Context(), "a"))
		require.NoError(t, s.Delete(t.Context(), "a"))
		require.Empty(t, match(t, s, "#"))
	})
	t.Run("matches filters as subscriptions do", func(t *testing.T) {
		s := open(t)
		for _, n := range []string{"a", "a/b", "a/b/c", "a//c", "/", "b/b", "$SYS/x"} {
			put(t, s, n, "")
		}
		for filter, want := range map[string][]string{
			"a/b": {"a/b="}, "a/+": {"a/b="}, "a/#": {"a/b/c=", "a/b=", "a//c=", "a="}, "+/b": {"a/b=", "b/b="},
			"#": {"/=", "a//c=", "a/b/c=", "a/b=", "a=", "b/b="}, "+": {"a="}, "+/+": {"/=", "a/b=", "b/b="},
			"$SYS/#": {"$SYS/x="}, "+/x": {}, "a/+/c": {"a//c=", "a/b/c="}, "nothing": {},
		} {
			slices.Sort(want)
			require.Equal(t, want, match(t, s, filter), "filter %s", filter)
		}
	})
	t.Run("gives back every part of a message", func(t *testing.T) {
		s := open(t)
		m := &broker.Message{
			Topic: "full", Payload: []byte{0, 1, 0xFF}, QoS: broker.ExactlyOnce, Retain: true,
			PayloadFormat: broker.FormatUTF8, ContentType: "text/plain", ResponseTopic: "re/ply", CorrelationData: []byte{},
			Expires: time.Now().Add(time.Hour).Truncate(time.Second), Origin: broker.Origin{Source: broker.FromClient, ClientID: "c"},
		}
		m.AddUserProperty("k", "1")
		m.AddUserProperty("k", "2")
		require.NoError(t, s.Put(t.Context(), m))
		for got, err := range s.Match(t.Context(), "full") {
			require.NoError(t, err)
			require.Equal(t, m.Topic, got.Topic)
			require.Equal(t, m.Payload, got.Payload)
			require.Equal(t, m.QoS, got.QoS)
			require.Equal(t, m.PayloadFormat, got.PayloadFormat)
			require.Equal(t, m.ContentType, got.ContentType)
			require.Equal(t, m.ResponseTopic, got.ResponseTopic)
			require.NotNil(t, got.CorrelationData, "empty correlation data is not absent")
			require.True(t, bytes.Equal(m.CorrelationData, got.CorrelationData))
			require.True(t, m.Expires.Equal(got.Expires))
			var user []string
			for k, v := range got.UserProperties() {
				user = append(user, k+"="+v)
			}
			require.Equal(t, []string{"k=1", "k=2"}, user)
		}
	})
	t.Run("stops when the reader does", func(t *testing.T) {
		s := open(t)
		for i := range 10 {
			put(t, s, fmt.Sprint("n/", i), "")
		}
		n := 0
		for _, err := range s.Match(t.Context(), "n/+") {
			require.NoError(t, err)
			if n++; n == 3 {
				break
			}
		}
		require.Equal(t, 3, n)
	})
	t.Run("is changed while it is read", func(t *testing.T) {
		s := open(t)
		for i := range 100 {
			put(t, s, fmt.Sprint("n/", i), "")
		}
		for m, err := range s.Match(t.Context(), "n/+") {
			require.NoError(t, err)
			require.NoError(t, s.Delete(t.Context(), m.Topic))
		}
		require.Empty(t, match(t, s, "#"))
	})
	t.Run("yields messages in order, if it can", func(t *testing.T) {
		s := open(t)
		if sorted, ok := s.(broker.SortedRetained); ok {
			testSorted(t, s, sorted)
		}
	})
	t.Run("is used by many at once", func(t *testing.T) {
		s := open(t)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 200 {
					name := fmt.Sprintf("g/%d/%d", g, i%10)
					if i%7 == 0 {
						_ = s.Delete(context.Background(), name)
					} else {
						_ = s.Put(context.Background(), message(name, "x"))
					}
					for _, err := range s.Match(context.Background(), fmt.Sprintf("g/%d/+", g)) {
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, len(match(t, s, "g/#")), 80)
	})
}

// testSorted checks the order, reading on from anywhere, and change meanwhile.
func testSorted(t *testing.T, s broker.RetainedStore, sorted broker.SortedRetained) {
	after := func(topic string) []string {
		got := []string{}
		for m, err := range sorted.After(t.Context(), topic) {
			require.NoError(t, err)
			if m != nil {
				got = append(got, m.Topic)
			}
		}
		return got
	}
	require.Empty(t, after(""))
	want := []string{"/", "a", "a ", "a/", "a/b", "a0", "b", "\u00e9", "\uffff", "\U0001f600"}
	for i := range 1000 {
		want = append(want, fmt.Sprintf("n/%d", i))
	}
	for i := range want {
		put(t, s, want[(i*7)%len(want)], "")
	}
	slices.Sort(want)
	require.Equal(t, want, after(""))
	for i, topic := range want {
		if i%100 < 10 {
			require.Equal(t, want[i+1:], after(topic))
			require.Equal(t, want[i+1:], after(topic+"\x00"), "which need not be there")
		}
	}
	i := 0
	for m, err := range sorted.After(t.Context(), "") {
		require.NoError(t, err)
		if m == nil {
			continue
		}
		require.Equal(t, want[i], m.Topic, "others come and go, but these are there throughout")
		i++
		put(t, s, "!"+m.Topic, "")
		require.NoError(t, s.Delete(t.Context(), m.Topic))
	}
	require.Equal(t, len(want), i)
}

func message(topic, payload string) *broker.Message {
	return &broker.Message{Topic: topic, Payload: []byte(payload), Retain: true}
}

func put(t *testing.T, s broker.RetainedStore, topic, payload string) {
	t.Helper()
	require.NoError(t, s.Put(t.Context(), message(topic, payload)))
}

// match returns what matches as sorted "topic=payload".
func match(t *testing.T, s broker.RetainedStore, filter string) []string {
	t.Helper()
	out := []string{}
	for m, err := range s.Match(t.Context(), filter) {
		require.NoError(t, err)
		if m == nil {
			continue // a sign of life
		}
		out = append(out, m.Topic+"="+string(m.Payload))
	}
	slices.Sort(out)
	return out
}
