package interop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/registry"
)

// mosqAs are the arguments for a Mosquitto client that is a device.
func (s *secureHub) mosqAs(version string, d keyed, args ...string) []string {
	return append([]string{"-V", version, "-i", d.Thing.Name, "--cafile", s.ca, "--cert", d.cert, "--key", d.key}, args...)
}

// TestMosquittoCertificates: devices do what their policy allows and nothing else.
func TestMosquittoCertificates(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		s := startSecure(t)
		one, two := s.device(t, "pump-1"), s.device(t, "pump-2")
		heard := s.hear(t, "#")
		sub := msub(t, s.testHub, s.mqtts, "pump-1", "cmd/pump-1/#", s.mosqAs(v, one, "-q", "1")...)
		info := s.client(t, "pump-1")
		require.Equal(t, one.CertificateID, info.Principal)
		require.Equal(t, "tls", info.Transport)
		for _, addr := range []string{s.mqtts, s.https} {
			for _, alpn := range []string{"mqtt", "x-amzn-mqtt-ca"} {
				mpub(t, addr, s.mosqAs(v, two, "-t", "dt/pump-2/x", "-m", alpn, "-q", "1", "--tls-alpn", alpn)...)
				m := heard.next(t)
				require.Equal(t, "dt/pump-2/x "+alpn, m.Topic+" "+string(m.Payload))
				require.Equal(t, two.CertificateID, m.Origin.Principal)
			}
		}
		s.say(t, "cmd/pump-1/now", "on", broker.AtLeastOnce)
		require.Equal(t, "on", sub.lines.next(t))
		heard.next(t)

		// Topics, filters and client ids of others.
		for _, qos := range []string{"0", "1", "2"} {
			_, errs, _ := mosq(t, "mosquitto_pub", s.mqtts, s.mosqAs(v, two, "-t", "dt/pump-1/x", "-m", "no", "-q", qos)...)
			if v == "5" && qos != "0" { // which has no answer, and MQTT 3 none that says no
				require.Contains(t, errs, "Not authorized")
			}
		}
		heard.none(t)
		for _, filter := range []string{"#", "cmd/#", "cmd/+/now", "cmd/pump-1/now", "$share/g/cmd/pump-1/now"} {
			_, errs, _ := mosq(t, "mosquitto_sub", s.mqtts, s.mosqAs(v, two, "-t", filter, "-C", "1", "-W", "20")...)
			require.Contains(t, errs, "All subscription requests were denied", filter)
		}
		_, errs, code := mosq(t, "mosquitto_pub", s.mqtts, s.mosqAs(v, two, "-i", "pump-1", "-t", "dt/pump-2/x", "-m", "no", "-q", "1")...)
		require.Equal(t, map[string]int{"311": 5, "5": 135}[v], code, errs)
		require.True(t, s.connected("pump-1"), "nobody took its connection over")
	})
}

// TestMosquittoRevoked: whoever loses the right to connect loses the connection too.
func TestMosquittoRevoked(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		s := startSecure(t)
		heard := s.hear(t, "dt/#")
		other := s.device(t, "pump-2")
		stays := msub(t, s.testHub, s.mqtts, "pump-2", "cmd/pump-2/x", s.mosqAs(v, other)...)
		times := 0
		// gone checks that a device was cut off and cannot come back.
		gone := func(d keyed, sub *process) {
			t.Helper()
			times++
			e := s.seen.await(t, "disconnected", "pump-1", times)
			require.Equal(t, broker.NotAuthorized, broker.ReasonOf(e.cause), e.cause)
			if code := sub.wait(t); v == "311" {
				require.Equal(t, 7, code, "the connection was lost")
			}
			_, errs, code := mosq(t, "mosquitto_pub", s.mqtts, s.mosqAs(v, d, "-t", "dt/pump-1/x", "-m", "no", "-q", "1")...)
			require.NotZero(t, code)
			require.Regexp(t, "connection was lost|protocol error|alert", errs)
		}
		d := s.device(t, "pump-1")
		listen := func() *process { return msub(t, s.testHub, s.mqtts, "pump-1", "cmd/pump-1/x", s.mosqAs(v, d)...) }

		sub := listen()
		s.setStatus(t, d, certs.Inactive)
		gone(d, sub)
		s.setStatus(t, d, certs.Active)
		sub = listen()
		s.say(t, "cmd/pump-1/x", "back", broker.AtLeastOnce)
		require.Equal(t, "back", sub.lines.next(t))
		s.setStatus(t, d, certs.Revoked)
		gone(d, sub)

		d = s.device(t, "pump-1") // with another certificate
		sub = listen()
		s.say(t, "cmd/pump-1/x", "renewed", broker.AtLeastOnce)
		require.Equal(t, "renewed", sub.lines.next(t))
		heard.none(t)
		s.say(t, "cmd/pump-2/x", "still there?", broker.AtLeastOnce)
		require.Equal(t, "still there?", stays.lines.next(t))
	})
}

// TestMosquittoPolicies changes what a device may while it is connected.
func TestMosquittoPolicies(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		s := startSecure(t)
		s.policy(t, "plain", `{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
			{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "`+arns+`topicfilter/news/*"},
			{"Effect": "Allow", "Action": "iot:Receive", "Resource": "`+arns+`topic/news/*"}]}`)
		s.policy(t, "secret", `{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "iot:Receive", "Resource": "`+arns+`topic/news/secret"}}`)
		d := s.device(t, "pump-1", "plain")
		sub := msub(t, s.testHub, s.mqtts, "pump-1", "news/#", s.mosqAs(v, d, "-F", "%t")...)
		hears := func(what string, want bool) {
			t.Helper()
			s.say(t, "news/secret", "x", broker.AtMostOnce)
			s.say(t, "news/"+what, "x", broker.AtMostOnce) // comes after it
			if want {
				require.Equal(t, "news/secret", sub.lines.next(t))
			}
			require.Equal(t, "news/"+what, sub.lines.next(t))
		}
		hears("before", true)
		require.NoError(t, s.Policies().AttachPolicy(t.Context(), "secret", d.CertificateARN))
		hears("denied", false)
		require.NoError(t, s.Policies().DetachPolicy(t.Context(), "secret", d.CertificateARN))
		hears("detached", true)
		// By a group of its thing.
		_, err := s.Registry().CreateThingGroup(t.Context(), registry.CreateGroupInput{Name: "hushed"})
		require.NoError(t, err)
		require.NoError(t, s.Policies().AttachPolicy(t.Context(), "secret", s.Registry().GroupARN("hushed")))
		require.NoError(t, s.Registry().AddThingToThingGroup(t.Context(), registry.Membership{Group: "hushed", Thing: "pump-1"}))
		hears("in a group", false)
		require.NoError(t, s.Registry().RemoveThingFromThingGroup(t.Context(), registry.Membership{Group: "hushed", Thing: "pump-1"}))
		hears("out of it", true)
	})
}

// connected reports whether a client is.
func (s *secureHub) connected(id string) bool {
	_, ok := s.Client(id)
	return ok
}
