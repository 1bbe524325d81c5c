package broker_test

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// unsorted hides what a store can do beyond a RetainedStore.
type unsorted struct{ broker.RetainedStore }

// Pages of retained messages are in order, whether the store knows one or not, and
// stay good while messages come and go.
func TestRetainedAfter(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]broker.RetainedStore{
		"sorted store": broker.NewMemoryRetained(0, 0), "any store": unsorted{broker.NewMemoryRetained(0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, err := broker.NewServer(broker.Config{Retained: store, Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}, SysInterval: -1})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, srv.Close()) })
			put := func(name string, expires time.Time) {
				require.NoError(t, srv.Publish(t.Context(), &broker.Message{Topic: name, Payload: []byte("x"), Retain: true, Expires: expires}))
			}
			page := func(after string, n int) (topics []string) {
				next, stop := iter.Pull2(srv.RetainedAfter(t.Context(), after))
				defer stop()
				for range n {
					m, err, ok := next()
					require.NoError(t, err)
					if !ok {
						break
					}
					topics = append(topics, m.Topic)
				}
				return topics
			}
			require.Empty(t, page("", 1))
			var want []string
			for i := range 1000 {
				want = append(want, fmt.Sprintf("r/%04d", i))
				put(want[i], time.Time{})
				put(fmt.Sprintf("$own/%d", i), time.Time{})
			}
			put("!first", time.Time{})
			put("r/0005 gone", time.Now().Add(-time.Second))
			require.Equal(t, append([]string{"!first"}, want...), page("", 2000))
			require.Equal(t, want, page("!first", 2000), "behind the last one before $")
			require.Equal(t, want, page("$own/3", 2000))
			require.Equal(t, want[6:9], page("r/0005", 3))

			var got []string
			for last := ""; ; {
				topics := page(last, 7)
				if len(topics) == 0 {
					break
				}
				got = append(got, topics...)
				last = topics[len(topics)-1]
				require.NoError(t, srv.Publish(t.Context(), &broker.Message{Topic: topics[0], Retain: true}), "what was seen may go")
				put("!"+topics[0], time.Time{})
			}
			require.Equal(t, append([]string{"!first"}, want...), got)
		})
	}
}

// A message that comes in by another way than MQTT meets the limits of the gateway.
func TestCheckPublish(t *testing.T) {
	t.Parallel()
	srv, err := broker.NewServer(broker.Config{
		Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}, SysInterval: -1,
		MaxQoS: broker.UpToQoS1, DisableRetain: true, MaxPayloadBytes: 3, MaxTopicLevels: 2, MaxTopicBytes: 5,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	require.NoError(t, srv.CheckPublish(&broker.Message{Topic: "a/b", QoS: 1, Payload: []byte("123")}))
	for want, m := range map[broker.ReasonCode]*broker.Message{
		broker.QoSNotSupported:    {Topic: "a", QoS: 2},
		broker.RetainNotSupported: {Topic: "a", Retain: true},
		broker.PacketTooLarge:     {Topic: "a", Payload: []byte("1234")},
		broker.TopicNameInvalid:   {Topic: "a/b/c"},
		broker.NotAuthorized:      {Topic: "$SYS/x"},
	} {
		require.Equal(t, want, broker.ReasonOf(srv.CheckPublish(m)), m.Topic)
	}
	require.Equal(t, broker.TopicNameInvalid, broker.ReasonOf(srv.CheckPublish(&broker.Message{Topic: "123456"})))
}
