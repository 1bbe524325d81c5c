package packet_test

import (
	"bytes"
	"strings"
	"testing"

	paho "github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// pahoCannot says why paho.golang does not take part in a sample.
func pahoCannot(s sample) string {
	switch {
	case s.v != packet.V5:
		return "knows version 5 alone"
	case s.name == "PUBLISH subscription identifiers v5":
		return "keeps one subscription identifier"
	}
	if d, ok := s.p.(*packet.Disconnect); ok && d.Code == 0 && d.Props.Empty() {
		return "does not read a DISCONNECT without a body"
	}
	return ""
}

// TestPaho checks both directions against paho.golang: it reads what we write, and we read what it writes.
func TestPaho(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		if pahoCannot(s) != "" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			cp, err := paho.ReadPacket(bytes.NewReader(s.p.Append(nil, s.v)))
			require.NoError(t, err)
			requireSame(t, s.p, fromPaho(t, cp))

			if strings.HasPrefix(s.name, "will ") && !strings.Contains(s.name, "Delay") && !strings.Contains(s.name, "User") {
				return // paho writes these two properties of a will alone
			}
			want := s.p
			if c, ok := want.(*connect); ok && c.HasWill {
				only := *c
				for _, id := range allProperties {
					if id != packet.PropWillDelay && id != packet.PropUser {
						only.WillProps.Remove(id)
					}
				}
				want = &only
			}
			var theirs bytes.Buffer
			_, err = cp.WriteTo(&theirs)
			require.NoError(t, err)
			got, err := decode(theirs.Bytes(), s.v, s.fromClient)
			require.NoError(t, err)
			requireSame(t, want, got)
		})
	}
}

// fromPaho turns what paho decoded into our types.
func fromPaho(t *testing.T, cp *paho.ControlPacket) appender {
	t.Helper()
	switch c := cp.Content.(type) {
	case *paho.Connect:
		require.Equal(t, "MQTT", c.ProtocolName)
		out := &connect{packet.Connect{
			Version: packet.Version(c.ProtocolVersion), CleanStart: c.CleanStart, KeepAlive: c.KeepAlive,
			Props: fromPahoProps(c.Properties), ClientID: []byte(c.ClientID),
			HasWill: c.WillFlag, WillQoS: c.WillQOS, WillRetain: c.WillRetain,
			WillTopic: []byte(c.WillTopic), WillPayload: c.WillMessage,
			HasUsername: c.UsernameFlag, Username: []byte(c.Username), HasPassword: c.PasswordFlag, Password: c.Password,
		}}
		if c.WillProperties != nil {
			out.WillProps = fromPahoProps(c.WillProperties)
		}
		return out
	case *paho.Connack:
		return &packet.Connack{SessionPresent: c.SessionPresent, Code: c.ReasonCode, Props: fromPahoProps(c.Properties)}
	case *paho.Publish:
		return &publish{packet.Publish{
			Dup: c.Duplicate, QoS: c.QoS, Retain: c.Retain, Topic: []byte(c.Topic), PacketID: c.PacketID,
			Props: fromPahoProps(c.Properties), Payload: c.Payload,
		}}
	case *paho.Puback:
		return &packet.Ack{Type: packet.TypePuback, PacketID: c.PacketID, Code: c.ReasonCode, Props: fromPahoProps(c.Properties)}
	case *paho.Pubrec:
		return &packet.Ack{Type: packet.TypePubrec, PacketID: c.PacketID, Code: c.ReasonCode, Props: fromPahoProps(c.Properties)}
	case *paho.Pubrel:
		return &packet.Ack{Type: packet.TypePubrel, PacketID: c.PacketID, Code: c.ReasonCode, Props: fromPahoProps(c.Properties)}
	case *paho.Pubcomp:
		return &packet.Ack{Type: packet.TypePubcomp, PacketID: c.PacketID, Code: c.ReasonCode, Props: fromPahoProps(c.Properties)}
	case *paho.Subscribe:
		out := &packet.Subscribe{PacketID: c.PacketID, Props: fromPahoProps(c.Properties)}
		for _, s := range c.Subscriptions {
			out.Filters = append(out.Filters, packet.Subscription{Filter: []byte(s.Topic), Options: s.Pack()})
		}
		return out
	case *paho.Suback:
		return &packet.Suback{PacketID: c.PacketID, Props: fromPahoProps(c.Properties), Codes: c.Reasons}
	case *paho.Unsubscribe:
		out := &packet.Unsubscribe{PacketID: c.PacketID, Props: fromPahoProps(c.Properties)}
		for _, f := range c.Topics {
			out.Filters = append(out.Filters, []byte(f))
		}
		return out
	case *paho.Unsuback:
		return &packet.Unsuback{PacketID: c.PacketID, Props: fromPahoProps(c.Properties), Codes: c.Reasons}
	case *paho.Disconnect:
		return &packet.Disconnect{Code: c.ReasonCode, Props: fromPahoProps(c.Properties)}
	case *paho.Auth:
		return &packet.Auth{Code: c.ReasonCode, Props: fromPahoProps(c.Properties)}
	}
	return &ping{packet.Type(cp.Type)}
}

func fromPahoProps(p *paho.Properties) (out packet.Properties) {
	set(p.PayloadFormat, out.SetPayloadFormat)
	set(p.MessageExpiry, out.SetMessageExpiry)
	setString(p.ContentType, out.SetContentType)
	setString(p.ResponseTopic, out.SetResponseTopic)
	setString(string(p.CorrelationData), out.SetCorrelationData)
	if p.SubscriptionIdentifier != nil {
		out.AddSubscriptionID(uint32(*p.SubscriptionIdentifier))
	}
	set(p.SessionExpiryInterval, out.SetSessionExpiry)
	setString(p.AssignedClientID, out.SetAssignedClientID)
	set(p.ServerKeepAlive, out.SetServerKeepAlive)
	setString(p.AuthMethod, out.SetAuthMethod)
	setString(string(p.AuthData), out.SetAuthData)
	set(p.RequestProblemInfo, out.SetRequestProblem)
	set(p.WillDelayInterval, out.SetWillDelay)
	set(p.RequestResponseInfo, out.SetRequestResponse)
	setString(p.ResponseInfo, out.SetResponseInfo)
	setString(p.ServerReference, out.SetServerReference)
	setString(p.ReasonString, out.SetReasonString)
	set(p.ReceiveMaximum, out.SetReceiveMaximum)
	set(p.TopicAliasMaximum, out.SetTopicAliasMaximum)
	set(p.TopicAlias, out.SetTopicAlias)
	set(p.MaximumQOS, out.SetMaximumQoS)
	set(p.RetainAvailable, out.SetRetainAvailable)
	for _, u := range p.User {
		out.AddUser(u.Key, u.Value)
	}
	set(p.MaximumPacketSize, out.SetMaximumPacketSize)
	set(p.WildcardSubAvailable, out.SetWildcardAvailable)
	set(p.SubIDAvailable, out.SetSubIDAvailable)
	set(p.SharedSubAvailable, out.SetSharedAvailable)
	return out
}

func set[T any](v *T, setter func(T)) {
	if v != nil {
		setter(*v)
	}
}

func setString(s string, setter func([]byte)) {
	if s != "" {
		setter([]byte(s))
	}
}
