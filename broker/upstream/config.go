package upstream

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/mqttlink"
	"github.com/thinghub/thinghub/internal/topic"
)

// Config configures a [Broker]. URL must be set; what else is 0 has its default.
type Config struct {
	// URL says where the upstream is: mqtt://host:1883, mqtts://host:8883, or ws:// and
	// wss:// with a path. It must not have a user.
	URL string
	// TLS is for mqtts and wss. Nil: the system's authorities.
	TLS *tls.Config
	// Username and Password are those of the hub at the upstream.
	Username, Password string
	// ClientID is the id of the hub at the upstream, another one for each hub. Empty: the
	// upstream assigns one.
	ClientID string
	// SessionExpiry is how long the upstream keeps messages of QoS 1 and 2 for a hub that
	// is not connected. 0: not at all. It needs a ClientID.
	SessionExpiry time.Duration

	// Filters say which messages of the upstream's clients are routed: worked by shadows,
	// seen by rules, and delivered to the hub's own clients. Default "#" and "$aws/#",
	// which is everything but other topics that begin with "$". No topic may match two of
	// them. What they do not match comes only as far as clients of the hub subscribe to
	// it, for these alone.
	Filters []string
	// Fleet, if it is set, says that several hubs stand on the upstream, all with the same
	// Fleet and Filters: it is the share name with which the upstream chooses the hub that
	// routes a message. Empty: this is the only hub.
	Fleet string
	// Identify says who published a message, of which MQTT has nothing: what it returns is
	// what rules see as clientid() and principal(). [ClientFromTopic] and
	// [ClientFromProperty] make such a function. Nil: nobody knows.
	Identify func(m *broker.Message) (clientID, principal string)
	// Retained says what becomes of the messages that the upstream had retained before
	// the hub subscribed.
	Retained Retained

	// Wait is how long a publish with QoS 1 or 2 waits for a connection when there is
	// none, and a subscription likewise. Default 5 s; negative: not at all.
	Wait time.Duration
	// MaxWaiting is how many publishes may wait so; more fail at once. Default 1000.
	MaxWaiting int
	// MaxQueued is how many messages with QoS 0 from the upstream may wait to be routed;
	// more are dropped. Default 10,000.
	MaxQueued int
	// MaxInFlight is how many messages with QoS 1 and 2 the upstream may send before the
	// first is acknowledged, which it is when it was routed. Default 256.
	MaxInFlight int
	// Lanes is how many messages are routed at the same time. Those of one thing
	// ($aws/things/THING/...), or with the same first two levels, stay in their order.
	// Default 16.
	Lanes int
	// KeepAlive and Timeout are for the connection. Defaults 30 s and 10 s.
	KeepAlive, Timeout time.Duration
	// Pause is how long to wait before connecting again; it doubles up to MaxPause.
	// Defaults 200 ms and 15 s.
	Pause, MaxPause time.Duration
	// Logger gets the beginning and the end of outages. Default slog.Default().
	Logger *slog.Logger
}

// Retained says what to do with retained messages that are older than the subscription,
// of which the upstream sends a copy.
type Retained uint8

const (
	// KeepRetained keeps them for later subscribers of the hub. They are not routed, so
	// that no rule works what is old whenever the hub starts or connects. What is news to
	// the hub is delivered to those who have subscribed already.
	KeepRetained Retained = iota
	// RouteRetained routes those that are news to the hub, like new messages.
	RouteRetained
	// IgnoreRetained does not ask for them.
	IgnoreRetained
)

// link is the part of c for the connection, checked.
func (c *Config) link() (mqttlink.Config, error) {
	return mqttlink.Config{
		URL: c.URL, TLS: c.TLS, Username: c.Username, Password: c.Password, ClientID: c.ClientID, SessionExpiry: c.SessionExpiry,
		KeepAlive: c.KeepAlive, Timeout: c.Timeout, Pause: c.Pause, MaxPause: c.MaxPause,
		ReceiveMaximum: c.MaxInFlight, Queue: c.MaxQueued, Lanes: c.Lanes, Key: laneOf, Logger: c.Logger,
	}.Check()
}

// check fills in what is 0. The error names the field that is wrong.
func (c Config) check() (Config, error) {
	for _, n := range [...]struct {
		name string
		v    int
	}{{"MaxQueued", c.MaxQueued}, {"MaxInFlight", c.MaxInFlight}, {"MaxWaiting", c.MaxWaiting}} {
		if n.v < 0 {
			return c, fmt.Errorf("%s is %d, expected a positive number", n.name, n.v)
		}
	}
	if _, err := c.link(); err != nil {
		return c, err
	}
	if c.Filters == nil {
		c.Filters = []string{"#", "$aws/#"}
	}
	c.Filters = slices.Clone(c.Filters)
	for i, f := range c.Filters {
		if _, _, shared, err := topic.ParseShared(f); err != nil || shared || isSys(f) {
			return c, fmt.Errorf("%s[%d] is %q, expected a topic filter, no share and not below $SYS", "Filters", i, f)
		}
		for j, g := range c.Filters[:i] {
			if overlap(f, g) {
				return c, fmt.Errorf("%s[%d] is %q, expected none that matches what Filters[%d], %q, matches", "Filters", i, f, j, g)
			}
		}
	}
	if strings.ContainsAny(c.Fleet, "/+#\x00") {
		return c, fmt.Errorf("%s is %q, expected a share name, without /, + and #", "Fleet", c.Fleet)
	}
	if c.Retained > IgnoreRetained {
		return c, fmt.Errorf("Retained is %d, expected KeepRetained, RouteRetained or IgnoreRetained", c.Retained)
	}
	if c.Wait == 0 {
		c.Wait = 5 * time.Second
	}
	if c.MaxWaiting == 0 {
		c.MaxWaiting = 1000
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}
