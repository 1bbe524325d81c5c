//go:build soak

package upstream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker/upstream"
	"github.com/thinghub/thinghub/hubtest"
)

// TestSoakRestarts kills the upstream and starts it again for half a minute, while devices
// and the hub publish. After each time shadows answer.
func TestSoakRestarts(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	up := newBroker(t, m.Addr, upstream.Config{ClientID: "hub", SessionExpiry: time.Hour, Wait: 100 * time.Millisecond})
	hub := hubtest.New(t, func(c *thinghub.Config) {
		c.Broker = up
		c.Authenticator, c.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
	})
	busy := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-busy:
				return
			default: // which fails while nobody is there
				_ = hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "noise", Payload: fmt.Append(nil, i), QoS: 1})
			}
		}
	}()
	const update, accepted = "$aws/things/pump/shadow/update", "$aws/things/pump/shadow/update/accepted"
	rounds := 0
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); rounds++ {
		require.NoError(t, up.Ready(t.Context()))
		d := connect(t, m.Addr, accepted)
		d.publish(update, fmt.Sprintf(`{"state":{"reported":{"round":%d}}}`, rounds), 1)
		until(t, "the device has the answer", func() bool { return len(d.on(accepted)) == 1 })
		require.True(t, strings.Contains(d.on(accepted)[0], fmt.Sprintf(`"round":%d`, rounds)))
		m.Kill()
		until(t, "that is noticed", func() bool { return !up.Health().Connected })
		m.Start()
	}
	close(busy)
	<-done
	until(t, "all are routed", func() bool { return up.Health().Routed == uint64(rounds) })
	h := up.Health()
	require.Zero(t, h.Failed+h.Dropped+h.Refused)
	t.Logf("%d restarts", rounds)
}
