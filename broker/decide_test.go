package broker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// journal is where a logger of a test writes.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// has reports whether a line has all the parts.
func (j *journal) has(parts ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.b.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return true
		}
	}
	return false
}

// Who could not decide is a warning, who refused is not.
func TestDecision_Logged(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		j := &journal{}
		cfg.Logger = j.logger()
		errs := map[string]error{"down": errors.New("database is down"), "away": auth.ErrUnavailable, "bad": auth.ErrBadCredentials}
		cfg.Authenticator = authenticator(func(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
			return &auth.Identity{Principal: "p"}, errs[c.ClientID]
		})
		cfg.Authorizer = asking(func(r *auth.Request) error {
			switch {
			case strings.HasSuffix(r.Resource, "down"):
				return errors.New("policies are gone")
			case strings.HasSuffix(r.Resource, "denied"):
				return &auth.Denied{Action: r.Action, Resource: r.Resource, Reason: "test"}
			}
			return nil
		})
		s := newStage(t, cfg)
		for id, level := range map[string]string{"down": "WARN", "away": "WARN", "bad": "DEBUG", "x/down": "WARN", "x/denied": "DEBUG"} {
			r := &raw{t: t, nc: s.dial(), v: packet.V5}
			require.NotZero(t, r.hello(id).Code)
			r.wantClosed()
			require.True(t, j.has("level="+level, "client="+id), id)
		}
		r := s.client(t, packet.V5, "c", will("will/down", ""))
		for name, level := range map[string]string{"t/down": "WARN", "t/denied": "DEBUG"} {
			r.send(publish(name, "", 1, 1))
			r.wantAck(packet.TypePuback)
			require.True(t, j.has("level="+level, "action=iot:Publish", "client=c", "resource="+name))
			require.Equal(t, byte(broker.NotAuthorized), r.subscribe(name, 0))
			require.True(t, j.has("level="+level, "action=iot:Subscribe", "client=c", "resource="+name))
		}
		r.drop()
		eventually(t, func() bool { return j.has("level=WARN", "resource=will/down") }, "the will")
	})
}

// Why something is denied is only found out for who reads it: a client that is refused can
// come again and again.
func TestDecision_ExplainsToReaders(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
			j := &journal{}
			cfg.Logger = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: level}))
			var asked atomic.Int32
			cfg.Authorizer = asking(func(r *auth.Request) error {
				if r.Resource == "in" {
					return nil
				}
				return &auth.Denied{Action: r.Action, Resource: r.Resource, Explain: func() string { asked.Add(1); return "the long story" }}
			})
			s := newStage(t, cfg)
			for _, v := range []packet.Version{packet.V311, packet.V5} {
				r := &raw{t: t, nc: s.dial(), v: v}
				require.NotZero(t, r.hello("out").Code)
				r.wantClosed()
				r = s.client(t, v, "in")
				r.send(publish("t", "", 1, 1))
				r.wantAck(packet.TypePuback)
				require.GreaterOrEqual(t, r.subscribe("t", 0), byte(0x80))
			}
			require.Equal(t, want, asked.Load() > 0)
			require.Equal(t, want, j.has("client=out", "the long story"))
		}
	})
}
