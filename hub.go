package thinghub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

// ErrClosed is returned by the methods of a hub that was shut down or closed.
var ErrClosed = broker.ErrClosed

// A Hub joins the rooms: gateway, registry, shadows, rules. Make it with [New]. All
// methods are safe for concurrent use.
type Hub struct {
	server   *broker.Server
	api      *api.API
	registry *registry.Service
	shadows  *shadow.Service
	engine   RuleEngine
	rules    *rules.Service // nil if engine is somebody else's
	log      *slog.Logger
	cancel   context.CancelFunc
	done     sync.WaitGroup

	principals principals
	authorizer Authorizer
	auditor    auditor
	audited    auth.Tally
	work       sync.Mutex      // guards ctx against the end
	ctx        context.Context // of background work; nil before New has ended and after the hub has

	requiresThings bool // shadows ask the registry
	enforcesRoles  bool // rules publish what their roles may

	parted  atomic.Bool   // Shutdown has let go of all clients
	unheard atomic.Uint64 // what rules published afterwards
}

// New makes a hub and starts its background work. The error names the field of cfg
// that is wrong. The hub must be ended with [Hub.Shutdown] or [Hub.Close].
func New(cfg Config) (*Hub, error) {
	h := &Hub{log: cfg.Logger}
	if h.log == nil {
		h.log = slog.Default()
	}
	if err := cfg.scope().Check(); err != nil {
		return nil, fmt.Errorf("thinghub: Config.%w", err)
	}
	h.auditor = h.joinAudit(&cfg)
	if err := h.join(&cfg); err != nil {
		h.endRules()
		return nil, fmt.Errorf("thinghub: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.ctx = cancel, ctx
	h.done.Go(func() { _ = h.registry.Run(ctx) }) // which returns nil
	for name, run := range map[string]func(context.Context) error{
		"rotations of certificates": h.principals.certs.Run, "provisioning": h.principals.provision.Run, "user pools": h.principals.people.Run,
	} {
		h.done.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				h.log.Error("thinghub: "+name+" ended", "err", err)
			}
		})
	}
	h.done.Go(func() {
		if err := h.engine.Run(ctx); err != nil && !errors.Is(err, rules.ErrClosed) {
			h.log.Error("thinghub: the rules ended", "err", err)
		}
	})
	h.done.Go(func() {
		if err := h.server.Run(ctx); err != nil {
			h.log.Error("thinghub: the broker ended", "err", err)
		}
	})
	return h, nil
}

// background does work that nobody waits for, unless the hub ends.
func (h *Hub) background(f func(ctx context.Context)) {
	h.work.Lock()
	defer h.work.Unlock()
	if ctx := h.ctx; ctx != nil {
		h.done.Go(func() { f(ctx) })
	}
}

// end cancels the background work; none begins any more.
func (h *Hub) end() {
	h.work.Lock()
	defer h.work.Unlock()
	h.ctx = nil
	h.cancel()
}

// join makes the rooms, each before those that speak to it.
func (h *Hub) join(cfg *Config) error {
	if err := h.joinPrincipals(cfg); err != nil {
		return err
	}
	shadows, err := cfg.shadows(h)
	if err != nil {
		return err
	}
	if h.shadows, err = shadow.New(shadows); err != nil {
		return err
	}
	things, err := cfg.registry(h)
	if err != nil {
		return err
	}
	if h.registry, err = registry.New(things); err != nil {
		return err
	}
	if err := h.joinProvisioning(cfg); err != nil {
		return err
	}
	if err := h.joinRules(cfg); err != nil {
		return err
	}
	gateway, err := cfg.gateway(h)
	if err != nil {
		return err
	}
	if h.server, err = broker.NewServer(gateway); err != nil {
		return err
	}
	h.api = api.New(cfg.api(h))
	return nil
}

// joinRules makes the rules, unless the host has its own.
func (h *Hub) joinRules(cfg *Config) error {
	if h.engine = cfg.RuleEngine; h.engine != nil {
		return nil
	}
	own, err := cfg.rules(h)
	if err != nil {
		return err
	}
	if h.rules, err = rules.New(own); err != nil {
		return err
	}
	h.engine = h.rules
	return nil
}

// Serve accepts MQTT connections from l until the hub or l is closed, and closes l.
// It returns [ErrClosed] after Shutdown or Close. TLS comes with the listener:
// tls.NewListener(l, config). Several listeners may be served at once.
func (h *Hub) Serve(l net.Listener) error { return h.server.Serve(l) }

// ServeConn serves MQTT on one connection and returns when it is closed.
func (h *Hub) ServeConn(nc net.Conn) error { return h.server.ServeConn(nc) }

// WebSocket returns the handler for MQTT over WebSocket; clients expect it at
// "/mqtt".
func (h *Hub) WebSocket() http.Handler { return h.server.WebSocket() }

// DataPlane returns the handler of AWS IoT's data plane: publish, device shadows,
// retained messages, connections. It is what SDKs call iotdata. Like Handler, it must
// not stand behind an http.ServeMux.
func (h *Hub) DataPlane() http.Handler { return h.api.DataPlane() }

// ControlPlane returns the handler of AWS IoT's control plane: things, their types and
// groups, principals, tags, events, search, fleet metrics.
func (h *Hub) ControlPlane() http.Handler { return h.api.ControlPlane() }

// Handler returns everything the hub serves over HTTP, each at its usual path: both
// planes, logins (Hub.Identity), and MQTT over WebSocket at /mqtt. A path that two services of AWS share goes
// to the one that the Host header names (*.jobs.iot.*), else to the one that the request
// is signed for, else to the control plane.
//
// Topics stand in paths as they are, also as "a//b", "/a" or "a/../b". An
// http.ServeMux would redirect such requests before any handler sees them, so give
// Handler, and DataPlane, a whole server and no place in a mux:
//
//	http.Server{Handler: hub.Handler()}
//
// or, beside handlers of your own, use [Hub.Before]. http.StripPrefix does no harm.
func (h *Hub) Handler() http.Handler { return h.handler(h.api.Handler(), true) }

// Before returns Handler for a host that serves more: what is at none of the hub's
// paths goes on to next as it came. Next may be an http.ServeMux, which then never
// sees the topics in paths:
//
//	http.Server{Handler: hub.Before(mux)}
//
// Of logins it serves what is sent to "/" with X-Amz-Target; temporary credentials (sts)
// and the documents below /.well-known/ are left to next, which may have [Hub.Identity].
func (h *Hub) Before(next http.Handler) http.Handler { return h.handler(h.api.Before(next), false) }

func (h *Hub) handler(planes http.Handler, alone bool) http.Handler {
	mqtt, identity := h.WebSocket(), h.Identity()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/mqtt":
			mqtt.ServeHTTP(w, r)
		case isIdentity(r, alone):
			identity.ServeHTTP(w, r)
		default:
			planes.ServeHTTP(w, r)
		}
	})
}

// Dial returns the client's end of an MQTT connection to the hub, without a port.
// Give it to any MQTT client library that takes a net.Conn.
func (h *Hub) Dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	if err := h.server.Go(server); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

// Publish publishes a message with QoS 0 as the host, past all permissions, and
// returns when it is in the outbox of every local subscriber that can take it. The
// payload is not kept. See PublishMessage for errors.
func (h *Hub) Publish(ctx context.Context, name string, payload []byte) error {
	return h.PublishMessage(ctx, &Message{Topic: name, Payload: payload})
}

// PublishMessage is Publish with everything a message can have: QoS, Retain and the
// MQTT 5 properties. m.Origin is set to the host; m is not kept.
//
// The error is [ErrClosed], the context's, that of [broker.Message.Validate], or the
// one of the retained store or Broker ([broker.ReasonOf] tells its reason). One that
// wraps [broker.ErrNotRetained] means that the message was delivered all the same.
func (h *Hub) PublishMessage(ctx context.Context, m *Message) error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("thinghub: publish: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.server.Closed() {
		return ErrClosed
	}
	m = m.As(broker.Origin{Source: broker.FromHost})
	m.Received = time.Now()
	return h.server.Route(ctx, m)
}

// Retained yields the retained messages whose topics match filter, in no order. They
// must not be modified. An error is that of the filter or of the store, and ends it.
func (h *Hub) Retained(ctx context.Context, filter string) iter.Seq2[*Message, error] {
	return h.server.Retained(ctx, filter)
}

// Subscribe calls fn for every message that matches filter, retained ones first, in
// order, on a goroutine of its own. See [broker.Server.Subscribe] for the bounds of
// its queue. stop ends it and may be called repeatedly, also from fn.
func (h *Hub) Subscribe(ctx context.Context, filter string, fn func(*Message)) (stop func(), err error) {
	return h.server.Subscribe(ctx, filter, fn)
}

// Registry returns the hub's things, their types and groups, with search over them,
// their shadows and connections.
func (h *Hub) Registry() *registry.Service { return h.registry }

// Rules returns the hub's rules, nil if Config.RuleEngine is set.
func (h *Hub) Rules() *rules.Service { return h.rules }

// Shadows returns the hub's device shadows. Devices reach them on the topics
// $aws/things/{thing}/shadow/...; what the host changes is published there too.
func (h *Hub) Shadows() *shadow.Service { return h.shadows }

// Clients returns a snapshot of the connected clients, in no order.
func (h *Hub) Clients() []broker.ClientInfo { return h.server.Clients() }

// Client returns a snapshot of one client; false when it is not connected.
func (h *Hub) Client(id string) (broker.ClientInfo, bool) { return h.server.Client(id) }

// Disconnect ends the connection of a client, and its session if o says so. The zero
// value of o tells the client AdministrativeAction, publishes its will and keeps its
// session. [broker.ErrNotConnected] when there is nothing to end.
func (h *Hub) Disconnect(clientID string, o broker.DisconnectOptions) error {
	return h.server.Disconnect(clientID, o)
}

// Metrics returns the gateway's counters as they stand.
func (h *Hub) Metrics() broker.Metrics { return h.server.Metrics() }

// Shutdown ends the hub in good order: no new connections, DISCONNECT 0x8B to MQTT 5
// clients, outboxes written out, wills published, watches of shadows ended with
// [shadow.ErrClosed]. No goroutine of the hub is left when it returns nil. When ctx ends first the rest is cut and ctx's error returned, whoever
// may still be waiting in code of the host's; see [broker.Server.Shutdown].
//
// What rules have taken is worked after the clients are gone, because until then these
// publish. What a rule publishes so late goes to retained messages, to sessions that are
// kept and to other hubs, but reaches no client that is connected here and no other rule;
// how many messages these were is logged.
func (h *Hub) Shutdown(ctx context.Context) error {
	err := h.server.Shutdown(ctx)
	h.parted.Store(true)
	if h.rules != nil {
		err = errors.Join(err, h.rules.Shutdown(ctx))
	}
	if n := h.unheard.Swap(0); n > 0 {
		h.log.Warn("thinghub: what rules published after the clients were gone reached none of them", "messages", n)
	}
	h.shadows.Close()
	h.end()
	if err == nil {
		h.done.Wait()
	}
	return err
}

// Close ends the hub at once and returns when no goroutine of it is left. Calling it
// again, or after Shutdown, is fine.
func (h *Hub) Close() error {
	err := h.server.Close()
	h.shadows.Close()
	h.end()
	h.done.Wait()
	h.endRules()
	return err
}

// endRules ends the rules when nobody runs them. What waits is dropped.
func (h *Hub) endRules() {
	if h.rules == nil {
		return
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.rules.Shutdown(ended)
}
