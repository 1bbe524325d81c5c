package mqtt

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/mqttlink"
)

// Config configures a [Client]. URL must be set; what else is 0 has its default.
type Config struct {
	// Sink is the name and the circuit breaker of the far broker.
	Sink actions.SinkConfig
	// Name is the name of the bridge, by which it knows the messages that have crossed it
	// already: another one for each bridge of each hub, the same after a restart. Default:
	// a random text.
	Name string
	// URL says where the broker is: mqtt://host:1883, mqtts://host:8883, or ws:// and
	// wss:// with a path. It must not have a user.
	URL string
	// TLS is for mqtts and wss. Nil: the system's authorities.
	TLS *tls.Config
	// Username and Password are sent if they are set.
	Username, Password string
	// ClientID is the id at the broker. Empty: the broker assigns one.
	ClientID string
	// SessionExpiry is how long the broker keeps messages of QoS 1 and 2 for the bridge
	// while that is not connected. 0: not at all. It needs a ClientID.
	SessionExpiry time.Duration
	// Topics say what crosses the bridge. Actions that name a topic of their own need none.
	Topics []Topic
	// KeepAlive is in whole seconds, Timeout bounds connecting and the wait for an
	// acknowledgement. Defaults 30 s and 10 s.
	KeepAlive, Timeout time.Duration
	// Pause is how long to wait before connecting again; it doubles up to MaxPause.
	// Defaults 200 ms and 15 s.
	Pause, MaxPause time.Duration
	// MaxInFlight is how many messages with QoS 1 and 2 the broker may send before the hub
	// has taken the first. Default 256.
	MaxInFlight int
	// MaxQueued is how many with QoS 0 may wait for the hub; more are dropped. Default
	// 10,000.
	MaxQueued int
	// Logger gets the beginning and the end of outages. Default slog.Default().
	Logger *slog.Logger
}

func (c *Config) link() (mqttlink.Config, error) {
	return mqttlink.Config{
		URL: c.URL, TLS: c.TLS, Username: c.Username, Password: c.Password, ClientID: c.ClientID, SessionExpiry: c.SessionExpiry,
		KeepAlive: c.KeepAlive, Timeout: c.Timeout, Pause: c.Pause, MaxPause: c.MaxPause,
		ReceiveMaximum: c.MaxInFlight, Queue: c.MaxQueued, Logger: c.Logger,
	}.Check()
}

// check fills in what is 0. The error names the field that is wrong.
func (c Config) check() (Config, mqttlink.Config, error) {
	link, err := c.link()
	if err != nil {
		return c, link, err
	}
	for i := range c.Topics {
		t := &c.Topics[i]
		if field, value, want := t.wrong(); field != "" {
			return c, link, fmt.Errorf("%s[%d]: %s is %q, expected %s", "Topics", i, field, value, want)
		}
		for j := range c.Topics[:i] {
			if o := &c.Topics[j]; t.in() && o.in() && overlap(t.remote(), o.remote()) {
				return c, link, fmt.Errorf("%s[%d]: the pattern %q matches topics that Topics[%d], %q, matches, expected none", "Topics", i, t.remote(), j, o.remote())
			}
		}
	}
	if c.Name == "" {
		c.Name = rand.Text()
	}
	return c, link, nil
}

// ReadConfig reads a Config from a JSON object, strictly:
//
//	{"sink": "plant", "name": "hub-1", "url": "mqtts://broker.example.com", "clientId": "hub-1",
//	 "username": "hub", "password": "...", "sessionExpiry": 3600, "keepAlive": 30,
//	 "tls": {"caFile": "ca.pem", "certFile": "hub.pem", "keyFile": "hub.key", "serverName": "broker"},
//	 "topics": [{"pattern": "dt/#", "direction": "in", "qos": 1, "localPrefix": "plant/", "remotePrefix": ""}]}
//
// Times are in seconds. Files are read at once, from the working directory.
func ReadConfig(data []byte) (Config, error) {
	o := actions.ReadObject(data)
	const day = 24 * 60 * 60
	c := Config{
		Sink: actions.SinkConfig{Name: o.Text("sink")}, Name: o.Text("name"), URL: o.Need("url"), ClientID: o.Text("clientId"),
		Username: o.Text("username"), Password: o.Text("password"),
		SessionExpiry: seconds(o.Int("sessionExpiry", 0, 365*day)), KeepAlive: seconds(o.Int("keepAlive", 1, 65535)),
	}
	files, secured := o.Object("tls")
	ca, cert, key, server := files.Text("caFile"), files.Text("certFile"), files.Text("keyFile"), files.Text("serverName")
	if err := files.Done(); err != nil {
		return Config{}, fmt.Errorf("mqtt: %w", err)
	}
	o.Each("topics", 0, 1000, func(item *actions.Object) {
		t := Topic{
			Pattern: item.Need("pattern"), Direction: Direction(item.Enum("direction", string(Out), string(In), string(Both))),
			QoS: byte(item.Int("qos", 0, 2)), LocalPrefix: item.Text("localPrefix"), RemotePrefix: item.Text("remotePrefix"),
		}
		c.Topics = append(c.Topics, t)
	})
	if err := o.Done(); err != nil {
		return Config{}, fmt.Errorf("mqtt: %w", err)
	}
	if secured {
		var err error
		if c.TLS, err = readTLS(ca, cert, key, server); err != nil {
			return Config{}, fmt.Errorf("mqtt: tls: %w", err)
		}
	}
	if _, _, err := c.check(); err != nil {
		return Config{}, fmt.Errorf("mqtt: Config.%w", err)
	}
	return c, nil
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func readTLS(ca, cert, key, server string) (*tls.Config, error) {
	c := &tls.Config{ServerName: server, MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("caFile %s has no certificate", ca)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
