package mqttlink

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/paho"
)

// Config configures a [Link]. What is 0 has its default.
type Config struct {
	// URL says where the broker is: mqtt://host:1883, mqtts://host:8883, or ws:// and
	// wss:// with a path. It must not have a user.
	URL string
	// TLS is for mqtts and wss. Nil: the system's authorities.
	TLS *tls.Config
	// Username and Password, if Username or Password is set, are sent when connecting.
	Username, Password string
	// ClientID is the id at the broker. Empty: the broker assigns one.
	ClientID string
	// SessionExpiry is how long the broker keeps the session while there is no connection.
	// 0: not at all. It needs a ClientID.
	SessionExpiry time.Duration
	// KeepAlive is in whole seconds. Default 30 s.
	KeepAlive time.Duration
	// Timeout bounds connecting, a write and the wait for an acknowledgement. Default 10 s.
	Timeout time.Duration
	// Pause is how long to wait after a connection broke or could not be made; it doubles
	// with each failure up to MaxPause, and half of it is random. Defaults 200 ms and 15 s.
	Pause, MaxPause time.Duration
	// ReceiveMaximum is how many messages with QoS 1 and 2 may be unacknowledged, which
	// bounds how many wait here. Default 256.
	ReceiveMaximum int
	// Queue is how many messages with QoS 0 may wait here. Default 10,000.
	Queue int
	// Lanes is how many messages are handled at the same time. Default 16.
	Lanes int
	// Key says what must stay in order. Default: the topic.
	Key func(topic string) string
	// Handle takes a message that came in. An error means that it cannot be taken now: with
	// QoS 1 and 2 it is handed over again, Tries times in all, and then counted as failed.
	// Nil: nothing is expected.
	Handle func(ctx context.Context, p *paho.Publish) error
	// Tries is for Handle. Default 8.
	Tries int
	// Up is called when there is a new connection; present says that the session is the one
	// of before. It subscribes. It is called again after an error, until the connection ends.
	Up func(ctx context.Context, present bool) error
	// Logger gets the beginning and the end of outages. Default slog.Default().
	Logger *slog.Logger
}

// Check fills in what is 0. The error names the field that is wrong.
func (c Config) Check() (Config, error) {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		return c, fmt.Errorf("URL is missing, expected one like mqtt://host:1883")
	case err != nil: // whose text has the URL, and so a password
		return c, fmt.Errorf("URL is no URL, expected one like mqtt://host:1883")
	case u.User != nil:
		return c, fmt.Errorf("URL has a user, expected Username and Password")
	case u.Hostname() == "":
		return c, fmt.Errorf("URL has no host, expected one like mqtt://host:1883")
	}
	switch u.Scheme {
	case "mqtt", "mqtts", "ws", "wss":
	default:
		return c, fmt.Errorf("URL begins with %q, expected mqtt, mqtts, ws or wss", u.Scheme)
	}
	for _, t := range [...]struct{ name, text string }{{"Username", c.Username}, {"ClientID", c.ClientID}} {
		if len(t.text) > math.MaxUint16 || !utf8.ValidString(t.text) || strings.IndexByte(t.text, 0) >= 0 {
			return c, fmt.Errorf("%s is not sendable, expected at most 65535 bytes of UTF-8 without U+0000", t.name)
		}
	}
	if len(c.Password) > math.MaxUint16 {
		return c, fmt.Errorf("%s has %d bytes, expected at most 65535", "Password", len(c.Password))
	}
	if c.SessionExpiry > 0 && c.ClientID == "" {
		return c, fmt.Errorf("ClientID is missing, expected one because of SessionExpiry")
	}
	for _, d := range [...]struct {
		name   string
		v      *time.Duration
		def    time.Duration
		lo, hi time.Duration
	}{
		{"SessionExpiry", &c.SessionExpiry, 0, 0, (math.MaxUint32 - 1) * time.Second},
		{"KeepAlive", &c.KeepAlive, 30 * time.Second, time.Second, math.MaxUint16 * time.Second},
		{"Timeout", &c.Timeout, 10 * time.Second, time.Millisecond, time.Hour},
		{"Pause", &c.Pause, 200 * time.Millisecond, time.Millisecond, time.Hour},
		{"MaxPause", &c.MaxPause, max(15*time.Second, c.Pause), c.Pause, 24 * time.Hour},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
		if *d.v < d.lo || *d.v > d.hi {
			return c, fmt.Errorf("%s is %s, expected %s to %s", d.name, *d.v, d.lo, d.hi)
		}
	}
	for _, n := range [...]struct {
		name string
		v    *int
		def  int
		hi   int
	}{
		{"ReceiveMaximum", &c.ReceiveMaximum, 256, math.MaxUint16},
		{"Queue", &c.Queue, 10_000, math.MaxInt32},
		{"Lanes", &c.Lanes, 16, 4096},
		{"Tries", &c.Tries, 8, math.MaxInt32},
	} {
		if *n.v == 0 {
			*n.v = n.def
		}
		if *n.v < 1 || *n.v > n.hi {
			return c, fmt.Errorf("%s is %d, expected 1 to %d", n.name, *n.v, n.hi)
		}
	}
	if c.Key == nil {
		c.Key = func(topic string) string { return topic }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// Where is the URL, fit to be shown.
func (c *Config) Where() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "?"
	}
	return u.Scheme + "://" + u.Host
}
