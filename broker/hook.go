package broker

import (
	"net"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// A Hook watches a server. It implements any of the Hook... interfaces below; the
// server looks once which ones. Adding an interface breaks nobody.
//
// Hooks are called on the goroutine that does the work, also on event loops, many
// at once: they must return quickly, and must neither wait for anything of the client
// they are told about nor call Close or Shutdown, which wait for them. What they are
// given is read-only and valid during the call; only the strings of ClientInfo and
// Grant may be kept. A panic of a hook is logged and goes no further.
//
// What happens to the clients (connected, disconnected, subscribed, unsubscribed) is
// told of one client id one thing at a time and in its order: every Connected is
// followed by the Disconnected with the same Serial before the next Connected of that
// client id. When a hook is busy with the same client id, the next thing is told when
// it returns, by the goroutine that called it, and nobody waits for it. A client that
// is ahead of the hooks by more than 1024 things is refused: CONNECT with Server busy,
// SUBSCRIBE and UNSUBSCRIBE with the end of the connection (Quota exceeded).
type Hook any

// HookConnected is told that a client was accepted; unless a hook is busy with the
// same client id, before the client is sent anything.
type HookConnected interface{ Connected(c *ClientInfo) }

// HookDisconnected is told that a connection of an accepted client ended. cause is
// nil after a normal DISCONNECT. [EndingOf] tells what kind of end it was, [ReasonOf]
// the reason code: what an MQTT 5 client was told or said itself.
type HookDisconnected interface {
	Disconnected(c *ClientInfo, cause error)
}

// HookSubscribed is told of the subscriptions that a SUBSCRIBE packet made or renewed,
// in its order and without the filters that were refused; not at all when none was
// granted. When the connection is taken over at the same time, it may be told behind
// its Disconnected.
type HookSubscribed interface {
	Subscribed(c *ClientInfo, granted []Grant)
}

// A Grant is a subscription as it was granted.
type Grant struct {
	Filter string // as the client wrote it, "$share/" included
	QoS    QoS
}

// HookUnsubscribed is told of the subscriptions that an UNSUBSCRIBE packet ended, by
// their filters in its order; not at all when there was none of them.
type HookUnsubscribed interface {
	Unsubscribed(c *ClientInfo, filters []string)
}

// HookPublished is told of every message a client published and the server routed.
type HookPublished interface{ Published(m *Message) }

// HookDropped is told of every message that was not delivered to a client it was
// meant for.
type HookDropped interface {
	Dropped(clientID string, m *Message, why DropReason)
}

// HookDenied is told what an authenticator or authorizer refused a client, or a topic
// that nobody may use: CONNECT (a WebSocket from a page of another origin included, and a
// re-authentication), SUBSCRIBE, PUBLISH, a will, deliveries (auth.Receive). Of the
// deliveries to a client it is told one per second at most; [HookDropped] is told of all.
type HookDenied interface{ Denied(d *Denial) }

// A Denial is something that a client was refused.
type Denial struct {
	ClientID string
	// Username is what the client called itself, as [auth.BareName] has it.
	Username string
	// Principal and PrincipalARN, as those of [ClientInfo], are empty if the client is
	// nobody that is known.
	Principal, PrincipalARN string
	RemoteAddr              net.Addr
	Action                  auth.Action
	// Resource is that of [auth.Request].
	Resource string
	// Err is what the authenticator or authorizer said. An *auth.Denied has the reason
	// for people; clients are not told it.
	Err error
}

// ClientInfo describes a connected client. Hooks are given it as it was when the
// client connected.
type ClientInfo struct {
	ClientID string
	// Serial is the number of the connection: 1 for the first one that the server
	// accepted, one more for each that followed. It tells the connections of a client
	// id apart and in their order; after a restart it begins anew.
	Serial uint64
	// Username is what the client called itself, as [auth.BareName] has it.
	Username  string
	Principal string
	// PrincipalARN is what things and policies are attached to; see
	// [auth.Identity.Attached].
	PrincipalARN    string
	ProtocolVersion byte // 4 or 5
	CleanStart      bool
	SessionPresent  bool
	KeepAlive       time.Duration
	SessionExpiry   time.Duration // negative: never
	RemoteAddr      net.Addr
	Transport       string // "tcp", "tls", "ws", "wss" or "inproc"
	ConnectedAt     time.Time
	Subscriptions   int
	Queued          int // messages waiting
	InFlight        int // messages sent and not acknowledged
}

type hooks struct {
	connected    []HookConnected
	disconnected []HookDisconnected
	subscribed   []HookSubscribed
	unsubscribed []HookUnsubscribed
	published    []HookPublished
	dropped      []HookDropped
	denied       []HookDenied
}

// ofClients reports whether anybody is told what happens to the clients.
func (h *hooks) ofClients() bool {
	return len(h.connected)+len(h.disconnected)+len(h.subscribed)+len(h.unsubscribed) > 0
}

func newHooks(list []Hook) (h hooks) {
	for _, k := range list {
		if x, ok := k.(HookConnected); ok {
			h.connected = append(h.connected, x)
		}
		if x, ok := k.(HookDisconnected); ok {
			h.disconnected = append(h.disconnected, x)
		}
		if x, ok := k.(HookSubscribed); ok {
			h.subscribed = append(h.subscribed, x)
		}
		if x, ok := k.(HookUnsubscribed); ok {
			h.unsubscribed = append(h.unsubscribed, x)
		}
		if x, ok := k.(HookPublished); ok {
			h.published = append(h.published, x)
		}
		if x, ok := k.(HookDropped); ok {
			h.dropped = append(h.dropped, x)
		}
		if x, ok := k.(HookDenied); ok {
			h.denied = append(h.denied, x)
		}
	}
	return h
}

func (s *Server) tellConnected(c *ClientInfo) {
	for _, h := range s.hooks.connected {
		s.shield("a hook", func() { h.Connected(c) })
	}
}

func (s *Server) tellDisconnected(c *ClientInfo, cause error) {
	for _, h := range s.hooks.disconnected {
		s.shield("a hook", func() { h.Disconnected(c, cause) })
	}
}

func (s *Server) tellSubscribed(c *ClientInfo, granted []Grant) {
	for _, h := range s.hooks.subscribed {
		s.shield("a hook", func() { h.Subscribed(c, granted) })
	}
}

func (s *Server) tellUnsubscribed(c *ClientInfo, filters []string) {
	for _, h := range s.hooks.unsubscribed {
		s.shield("a hook", func() { h.Unsubscribed(c, filters) })
	}
}
