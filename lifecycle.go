package thinghub

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/registry"
)

// lifecycle is a hook of the gateway: it tells the registry who is connected, and
// publishes what happens to clients on $aws/events/presence and
// $aws/events/subscriptions.
type lifecycle struct {
	hub *Hub
	run uint64 // tells the connections of this hub from those of others
	// things are those that a connection's principal had for itself when it connected,
	// by the connection's serial number. It disconnects from the same one, whatever
	// was attached meanwhile; otherwise the first would seem connected for ever.
	things *sync.Map
}

func newLifecycle(h *Hub) lifecycle {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return lifecycle{h, binary.BigEndian.Uint64(b[:]), &sync.Map{}}
}

// A lifecycleEvent has the members of AWS IoT's events; times are milliseconds.
type lifecycleEvent struct {
	ClientID         string   `json:"clientId"`
	ThingName        string   `json:"thingName,omitempty"`
	Timestamp        int64    `json:"timestamp"`
	EventType        string   `json:"eventType"`
	Session          string   `json:"sessionIdentifier"`
	Principal        string   `json:"principalIdentifier"`
	IPAddress        string   `json:"ipAddress,omitempty"`
	ByClient         *bool    `json:"clientInitiatedDisconnect,omitempty"`
	DisconnectReason string   `json:"disconnectReason,omitempty"`
	Version          *uint64  `json:"versionNumber,omitempty"`
	Topics           []string `json:"topics,omitempty"`
}

func (l lifecycle) Connected(c *broker.ClientInfo) {
	if err := l.hub.principals.certs.Connected(context.Background(), c.Principal); err != nil {
		l.hub.log.Warn("thinghub: the certificate that another one replaces is not ended", "certificate", c.Principal, "err", err)
	}
	thing := l.thing(c)
	if thing != "" {
		l.things.Store(c.Serial, thing)
	}
	source := address(c)
	l.hub.registry.ConnectivityChanged(thingOr(thing, c.ClientID), registry.Connectivity{
		Connected: true, Timestamp: c.ConnectedAt, ClientID: c.ClientID, Version: int64(c.Serial),
		SourceIP: addrText(source), SourcePort: int(source.Port()),
		KeepAlive: c.KeepAlive, SessionExpiry: c.SessionExpiry, CleanSession: c.CleanStart,
	})
	l.publish("presence/connected/", c, &lifecycleEvent{
		ThingName: thing, Timestamp: c.ConnectedAt.UnixMilli(), IPAddress: addrText(source), Version: &c.Serial,
	})
}

func (l lifecycle) Disconnected(c *broker.ClientInfo, cause error) {
	now := time.Now()
	thing := ""
	if v, ok := l.things.LoadAndDelete(c.Serial); ok {
		thing = v.(string)
	}
	end := broker.EndingOf(cause)
	why := disconnectReason(end, c.Transport)
	byClient := end == broker.EndedByClient
	l.hub.registry.ConnectivityChanged(thingOr(thing, c.ClientID), registry.Connectivity{
		Timestamp: now, DisconnectReason: why, ClientID: c.ClientID, Version: int64(c.Serial),
		KeepAlive: c.KeepAlive, SessionExpiry: c.SessionExpiry, CleanSession: c.CleanStart,
	})
	l.publish("presence/disconnected/", c, &lifecycleEvent{
		ThingName: thing, Timestamp: now.UnixMilli(), ByClient: &byClient, DisconnectReason: why, Version: &c.Serial,
	})
}

func (l lifecycle) Subscribed(c *broker.ClientInfo, granted []broker.Grant) {
	filters := make([]string, len(granted))
	for i, g := range granted {
		filters[i] = g.Filter
	}
	l.publish("subscriptions/subscribed/", c, &lifecycleEvent{Timestamp: time.Now().UnixMilli(), Topics: filters})
}

func (l lifecycle) Unsubscribed(c *broker.ClientInfo, filters []string) {
	l.publish("subscriptions/unsubscribed/", c, &lifecycleEvent{Timestamp: time.Now().UnixMilli(), Topics: filters})
}

// publish publishes an event, unless the client's id is no part of a topic name.
func (l lifecycle) publish(topic string, c *broker.ClientInfo, e *lifecycleEvent) {
	if strings.ContainsAny(c.ClientID, "+#") {
		return
	}
	kind := strings.Split(topic, "/")[1]
	e.ClientID, e.EventType, e.Principal = c.ClientID, kind, c.Principal
	e.Session = fmt.Sprintf("%016x%016x", l.run, c.Serial)
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	err := enc.Encode(e)
	if err == nil {
		err = publisher{l.hub}.Publish(context.Background(), "$aws/events/"+topic+c.ClientID, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	}
	if err != nil {
		l.hub.log.Warn("thinghub: event not published", "client", c.ClientID, "event", kind, "err", err)
	}
}

// thing is the thing that the client's principal has for itself, if there is one.
func (l lifecycle) thing(c *broker.ClientInfo) string {
	thing, err := l.hub.registry.ExclusiveThing(context.Background(), c.PrincipalARN)
	if err != nil {
		l.hub.log.Warn("thinghub: thing of a client not found", "client", c.ClientID, "err", err)
	}
	return thing
}

func thingOr(thing, clientID string) string {
	if thing != "" {
		return thing
	}
	return clientID
}

// address is where the client connects from; invalid in process.
func address(c *broker.ClientInfo) netip.AddrPort {
	if c.RemoteAddr == nil {
		return netip.AddrPort{}
	}
	a, _ := netip.ParseAddrPort(c.RemoteAddr.String())
	return a
}

func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().Unmap().String()
}

// disconnectReason is what AWS IoT calls the end of a connection.
func disconnectReason(e broker.Ending, transport string) string {
	switch e {
	case broker.EndedByClient:
		return "CLIENT_INITIATED_DISCONNECT"
	case broker.EndedByFault:
		return "CLIENT_ERROR"
	case broker.EndedByLoss:
		return "CONNECTION_LOST"
	case broker.EndedByTakeOver:
		return "DUPLICATE_CLIENTID"
	case broker.EndedByKeepAlive:
		return "MQTT_KEEP_ALIVE_TIMEOUT"
	case broker.EndedByExpiry:
		if transport == "ws" || transport == "wss" {
			return "WEBSOCKET_TTL_EXPIRATION"
		}
		return "CUSTOMAUTH_TTL_EXPIRATION"
	case broker.EndedByReauthentication:
		return "AUTH_ERROR"
	case broker.EndedByDenial:
		return "FORBIDDEN_ACCESS"
	case broker.EndedByQuota:
		return "THROTTLED"
	case broker.EndedByServerError:
		return "SERVER_ERROR"
	case broker.EndedByShutdown:
		return "SERVER_INITIATED_DISCONNECT"
	case broker.EndedByHost:
		return "API_INITIATED_DISCONNECT"
	default:
		return "UNKNOWN"
	}
}
