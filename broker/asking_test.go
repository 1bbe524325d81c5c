package broker_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// asking is an Authorizer that is asked about every message and may wait.
type asking func(r *auth.Request) error

func (f asking) Authorize(_ context.Context, _ *auth.Identity, r *auth.Request) error { return f(r) }

// A message that cannot be sent does not hold up the ones behind it.
func TestAsking_NothingStaysBehind(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.EventLoops = -1
	cfg.Authorizer = asking(func(r *auth.Request) error {
		if r.Action == auth.Receive && r.Resource == "t/no" {
			return auth.ErrDenied
		}
		return nil
	})
	s := newStage(t, cfg)
	sub := s.client(t, packet.V5, "sub", maxPacket(200))
	sub.subscribe("t/#", 1)
	pub := s.client(t, packet.V5, "pub")
	large := strings.Repeat("x", 300)
	for range 200 {
		pub.send(publish("t/a", large, 1, 1), publish("t/no", "no", 1, 2), publish("t/a", large, 0, 0), publish("t/b", "small", 1, 3))
		for range 3 {
			pub.want(packet.TypePuback)
		}
		sub.finish(sub.wantMessage("t/b", "small", 1))
	}
	sub.ping()
	require.Equal(t, uint64(400), s.srv.Metrics().Dropped["too_large"])
	require.Equal(t, uint64(200), s.srv.Metrics().Dropped["denied"])
	require.Zero(t, s.srv.Metrics().InFlight+s.srv.Metrics().Queued)
}
