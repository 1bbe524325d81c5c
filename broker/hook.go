package broker

import (
	"net"
	"time"
)

// A Hook watches a server. It implements any of the Hook... interfaces below; the
// server looks once which ones. Adding an interface breaks nobody.
//
// Hooks are called on the goroutine that does the work, also on event loops, many
// at once: they must return quickly and must not call back into the connection
// they are told about. What they are given is valid during the call. A panic of a
// hook is logged and goes no further.
type Hook any

// HookConnected is told that a client was accepted, as a rule before it is sent
// anything. Of one client id, Connected and Disconnected alternate, in the order in
// which connections held its session, whatever happens at the same time.
type HookConnected interface{ Connected(c *ClientInfo) }

// HookDisconnected is told that a connection of an accepted client ended. cause is
// nil after a normal DISCONNECT; [ReasonOf] tells the others apart.
type HookDisconnected interface {
	Disconnected(c *ClientInfo, cause error)
}

// HookSubscribed is told of every granted subscription.
type HookSubscribed interface {
	Subscribed(clientID, filter string, granted QoS)
}

// HookUnsubscribed is told of every subscription that ended by UNSUBSCRIBE.
type HookUnsubscribed interface {
	Unsubscribed(clientID, filter string)
}

// HookPublished is told of every message a client published and the server routed.
type HookPublished interface{ Published(m *Message) }

// HookDropped is told of every message that was not delivered to a client it was
// meant for.
type HookDropped interface {
	Dropped(clientID string, m *Message, why DropReason)
}

// ClientInfo describes a connected client.
type ClientInfo struct {
	ClientID        string
	Username        string
	Principal       string
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
	}
	return h
}
