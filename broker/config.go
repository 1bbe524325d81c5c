package broker

import (
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/topic"
)

// QoSLimit bounds the quality of service a server offers.
type QoSLimit byte

// The limits; the zero value is no limit.
const (
	UpToQoS2 QoSLimit = iota
	OnlyQoS0
	UpToQoS1
)

// Overflow says what a session does with a QoS 1 or 2 message when its queue is at
// a bound.
type Overflow byte

// The policies. Whatever is dropped is counted and reported to hooks.
const (
	DropNewest       Overflow = iota // keep what waits, drop the new message
	DropOldest                       // drop from the front until the new one fits
	DisconnectClient                 // drop the new message and end the connection with 0x97
)

// Config configures a [Server]. The zero value works and denies everybody. New
// copies it, fills in the defaults and validates it once.
//
// Of limits, 0 means the default; where "negative: none" is said, a negative value
// turns the limit (or the feature) off.
type Config struct {
	// Authenticator and Authorizer decide who connects and what they may do.
	// Default: auth.Nobody{}, which knows nobody.
	Authenticator auth.Authenticator
	Authorizer    auth.Authorizer
	// Broker moves messages between hubs. Default: NewMemory().
	Broker Broker
	// CloseOnDenied ends the connection of a client that publishes where it may
	// not, as AWS IoT Core does. By default the message is dropped, counted, and
	// the client is told as far as its protocol version can.
	CloseOnDenied bool
	// ConnectTimeout is how long a connection may take to be accepted: TLS
	// handshake, CONNECT and authentication together. Default 10 s.
	ConnectTimeout time.Duration
	// DenySubscribe lists filters that nobody may subscribe to, alone or as the
	// filter of a shared subscription. They are compared as text, so "#" does not
	// cover "+/#": use an Authorizer to protect topics.
	DenySubscribe []string
	// DisableRetain, DisableShared, DisableWildcards and DisableSubscriptionIDs
	// turn features off; MQTT 5 clients are told in CONNACK.
	DisableRetain          bool
	DisableShared          bool
	DisableWildcards       bool
	DisableSubscriptionIDs bool
	// EventLoops is the number of event loops that drive plain TCP connections
	// where the system has them (Linux). Default GOMAXPROCS; negative: none, every
	// connection has a goroutine.
	EventLoops int
	// Hooks watch the server.
	Hooks []Hook
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// MaxClientIDBytes bounds the client ids that clients send. Default 65535.
	MaxClientIDBytes int
	// MaxConnections bounds concurrent connections; more are refused with 0x97, far
	// more are closed at once. Default 0: as many as the system allows.
	MaxConnections int
	// MaxFiltersPerSubscribe bounds the filters of one SUBSCRIBE packet. Default
	// 0: only the packet size bounds them.
	MaxFiltersPerSubscribe int
	// MaxInFlight is how many QoS 1 and 2 messages may be unacknowledged towards
	// one client; the client's Receive Maximum lowers it. Default 1024.
	MaxInFlight int
	// MaxKeepAlive is sent as Server Keep Alive when a client asks for more or for
	// none. Default 0: any keep alive is accepted. 3.1.1 clients cannot be told and
	// are held to what they asked for.
	MaxKeepAlive time.Duration
	// MaxOutboxBytes bounds the bytes waiting for a client's socket. Above it QoS 0
	// is dropped and QoS 1 and 2 wait in the queue. Default 1 MiB.
	MaxOutboxBytes int
	// MaxOutboundAliases is how many topic aliases the server assigns to a client
	// that allows them. Default 32; negative: none.
	MaxOutboundAliases int
	// MaxPacketSize bounds packets from clients, in bytes. Default 8 MiB.
	MaxPacketSize int
	// MaxConnectSize bounds the CONNECT packet, which comes from strangers. Default
	// 384 KiB, or MaxPacketSize if that is less.
	MaxConnectSize int
	// MaxPayloadBytes bounds the payload of a PUBLISH and of a will. Default 0: the
	// packet size bounds it.
	MaxPayloadBytes int
	// MaxQoS is the highest quality of service. Default UpToQoS2.
	MaxQoS QoSLimit
	// MaxQueuedMessages bounds what waits in one session, online or not;
	// MaxQueuedBytes bounds it together with what was sent and not acknowledged.
	// Defaults 10,000 messages and 16 MiB.
	MaxQueuedMessages int
	MaxQueuedBytes    int
	// MaxRetainedMessages and MaxRetainedBytes bound the default retained store.
	// Defaults 1,000,000 messages and 1 GiB.
	MaxRetainedMessages int64
	MaxRetainedBytes    int64
	// MaxSessionExpiry is the longest time a session outlives its connection; it
	// also applies to 3.1.1 clients with CleanSession 0. Default 7 days; negative:
	// none, and such sessions may live as long as the server.
	MaxSessionExpiry time.Duration
	// MaxSessions bounds sessions, connected or not. Default 1,000,000.
	MaxSessions int
	// MaxSubscriptions and MaxSubscriptionBytes bound the subscriptions of one
	// session: their number, and their filters with about 100 bytes for each level.
	// Defaults 50,000 and 32 MiB.
	MaxSubscriptions     int
	MaxSubscriptionBytes int
	// MaxTopicBytes and MaxTopicLevels bound topic names and filters. Defaults
	// 65535 and 200.
	MaxTopicBytes  int
	MaxTopicLevels int
	// Overflow is what happens when a session's queue is at a bound. Default
	// DropNewest.
	Overflow Overflow
	// ReceiveMaximum is how many QoS 2 messages a client may have unfinished.
	// Default 1024. It is announced to MQTT 5 clients.
	ReceiveMaximum int
	// RefuseEmptyClientID refuses clients that want an id assigned.
	RefuseEmptyClientID bool
	// ResponseInformation, when set, answers clients that ask for Response
	// Information: it returns the topic prefix the client may use for responses.
	ResponseInformation func(clientID string) string
	// Retained keeps retained messages. Default NewMemoryRetained.
	Retained RetainedStore
	// Router gets every accepted message. Default: the server's own Publish.
	Router Router
	// SysInterval is how often $SYS topics are published. Default 10 s; negative:
	// never.
	SysInterval time.Duration
	// TopicAliasMaximum is how many topic aliases a client may set. Default 32;
	// negative: none.
	TopicAliasMaximum int
	// Version is what $SYS/broker/version says. Default "thinghub".
	Version string
	// WebSocketOrigins are the patterns (path.Match) of Origin hosts a browser may
	// connect from; the host the request was sent to is always allowed.
	WebSocketOrigins []string
}

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// withDefaults returns a filled and validated copy.
func (c Config) withDefaults() (Config, error) {
	type bound struct {
		name   string
		v      *int
		def    int
		lo, hi int
	}
	for _, b := range []bound{
		{"MaxClientIDBytes", &c.MaxClientIDBytes, 65535, 1, 65535},
		{"MaxConnections", &c.MaxConnections, 0, 0, math.MaxInt32},
		{"MaxFiltersPerSubscribe", &c.MaxFiltersPerSubscribe, 0, 0, math.MaxInt32},
		{"MaxInFlight", &c.MaxInFlight, 1024, 1, 65535},
		{"MaxOutboxBytes", &c.MaxOutboxBytes, 1 << 20, 1024, math.MaxInt32},
		{"MaxOutboundAliases", &c.MaxOutboundAliases, 32, math.MinInt32, 65535},
		{"MaxPacketSize", &c.MaxPacketSize, 8 << 20, 64, 268435460},
		{"MaxPayloadBytes", &c.MaxPayloadBytes, 0, 0, 268435455},
		{"MaxQueuedMessages", &c.MaxQueuedMessages, 10_000, 1, math.MaxInt32},
		{"MaxQueuedBytes", &c.MaxQueuedBytes, 16 << 20, 1024, math.MaxInt},
		{"MaxSessions", &c.MaxSessions, 1_000_000, 1, math.MaxInt32},
		{"MaxSubscriptions", &c.MaxSubscriptions, 50_000, 1, math.MaxInt32},
		{"MaxSubscriptionBytes", &c.MaxSubscriptionBytes, 32 << 20, 1024, math.MaxInt32},
		{"MaxTopicBytes", &c.MaxTopicBytes, 65535, 1, 65535},
		{"MaxTopicLevels", &c.MaxTopicLevels, 200, 1, 65536},
		{"ReceiveMaximum", &c.ReceiveMaximum, 1024, 1, 65535},
		{"TopicAliasMaximum", &c.TopicAliasMaximum, 32, math.MinInt32, 65535},
		{"EventLoops", &c.EventLoops, runtime.GOMAXPROCS(0), math.MinInt32, 4096},
	} {
		orDefault(b.v, b.def)
		if *b.v < b.lo || *b.v > b.hi {
			return c, fmt.Errorf("broker: Config.%s is %d, expected %d to %d", b.name, *b.v, b.lo, b.hi)
		}
	}
	orDefault(&c.MaxConnectSize, min(384<<10, c.MaxPacketSize))
	if c.MaxConnectSize < 16 || c.MaxConnectSize > c.MaxPacketSize {
		return c, fmt.Errorf("broker: Config.MaxConnectSize is %d, expected 16 to MaxPacketSize (%d)", c.MaxConnectSize, c.MaxPacketSize)
	}
	orDefault(&c.ConnectTimeout, 10*time.Second)
	orDefault(&c.SysInterval, 10*time.Second)
	orDefault(&c.MaxSessionExpiry, 7*24*time.Hour)
	orDefault(&c.MaxRetainedMessages, 1_000_000)
	orDefault(&c.MaxRetainedBytes, 1<<30)
	if c.ConnectTimeout < 0 {
		return c, fmt.Errorf("broker: Config.ConnectTimeout is %s, expected a positive duration", c.ConnectTimeout)
	}
	if c.MaxKeepAlive < 0 || c.MaxKeepAlive > 65535*time.Second || c.MaxKeepAlive%time.Second != 0 {
		return c, fmt.Errorf("broker: Config.MaxKeepAlive is %s, expected whole seconds from 0 to 65535s", c.MaxKeepAlive)
	}
	if c.MaxQoS > UpToQoS1 {
		return c, fmt.Errorf("broker: Config.MaxQoS is %d, expected UpToQoS2, OnlyQoS0 or UpToQoS1", c.MaxQoS)
	}
	if c.Overflow > DisconnectClient {
		return c, fmt.Errorf("broker: Config.Overflow is %d, expected DropNewest, DropOldest or DisconnectClient", c.Overflow)
	}
	for i, f := range c.DenySubscribe {
		if _, _, _, err := topic.ParseShared(f); err != nil {
			return c, fmt.Errorf("broker: Config.DenySubscribe[%d]: %w", i, err)
		}
	}
	for i, h := range c.Hooks {
		if !isHook(h) {
			return c, fmt.Errorf("broker: Config.Hooks[%d] is a %T, which implements none of the Hook interfaces", i, h)
		}
	}
	nobody := auth.Nobody{}
	if c.Authenticator == nil {
		c.Authenticator = nobody
	}
	if c.Authorizer == nil {
		c.Authorizer = nobody
	}
	if c.Broker == nil {
		c.Broker = NewMemory()
	}
	if c.Retained == nil {
		c.Retained = NewMemoryRetained(c.MaxRetainedMessages, c.MaxRetainedBytes)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Version == "" {
		c.Version = "thinghub"
	}
	return c, nil
}

func isHook(h Hook) bool {
	switch h.(type) {
	case HookConnected, HookDisconnected, HookSubscribed, HookUnsubscribed, HookPublished, HookDropped, HookDenied:
		return true
	}
	return false
}

// maxQoS is the limit as a level.
func (c *Config) maxQoS() byte {
	switch c.MaxQoS {
	case OnlyQoS0:
		return 0
	case UpToQoS1:
		return 1
	default:
		return 2
	}
}

// mayWait reports whether handling a packet may wait for somebody, in which case
// connections are driven by goroutines of their own.
func (c *Config) mayWait() bool {
	_, opener := c.Authorizer.(auth.Opener)
	_, local := c.Broker.(*Memory)
	_, memory := c.Retained.(*MemoryRetained)
	return !local || !opener && !isImmediate(c.Authorizer) ||
		!memory && !isImmediate(c.Retained) || c.Router != nil && !isImmediate(c.Router)
}
