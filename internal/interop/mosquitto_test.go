package interop_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
)

// mosq runs one of the Mosquitto clients against an address of the hub.
func mosq(t *testing.T, name, addr string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return run(t, name, at(addr, args)...)
}

// at adds the address to the arguments.
func at(addr string, args []string) []string {
	host, port, _ := net.SplitHostPort(addr)
	return append([]string{"-h", host, "-p", port}, args...)
}

// mpub runs mosquitto_pub, which has to succeed.
func mpub(t *testing.T, addr string, args ...string) {
	t.Helper()
	_, stderr, code := mosq(t, "mosquitto_pub", addr, args...)
	require.Zero(t, code, stderr)
}

// msub starts mosquitto_sub with a client id and waits for its last subscription.
func msub(t *testing.T, h *testHub, addr, id, filter string, args ...string) *process {
	t.Helper()
	n := len(h.seen.events("subscribed", id))
	p := begin(t, "mosquitto_sub", at(addr, append([]string{"-i", id, "-t", filter}, args...))...)
	h.seen.await(t, "subscribed", id, n+1)
	return p
}

// eachVersion runs a test for both protocol versions, each with a hub of its own.
func eachVersion(t *testing.T, f func(t *testing.T, version string)) {
	t.Parallel()
	for _, v := range []string{"311", "5"} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			f(t, v)
		})
	}
}

func TestMosquittoQoS(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		host := h.hear(t, "q/#")
		for granted := range 3 {
			sub := msub(t, h, h.addr, fmt.Sprint("sub", granted), "q/+", "-V", v, "-q", fmt.Sprint(granted), "-F", "%t %q %r %p")
			for qos := range 3 {
				q := fmt.Sprint(qos)
				mpub(t, h.addr, "-V", v, "-q", q, "-t", "q/"+q, "-m", "grüße "+q)
				require.Equal(t, fmt.Sprintf("q/%d %d 0 grüße %d", qos, min(granted, qos), qos), sub.lines.next(t))
				require.Equal(t, broker.QoS(qos), host.next(t).QoS)
			}
			// No payload at all.
			mpub(t, h.addr, "-V", v, "-q", "1", "-t", "q/empty", "-n")
			require.Equal(t, fmt.Sprintf("q/empty %d 0 ", min(granted, 1)), sub.lines.next(t))
			host.next(t)
			sub.kill()
		}
	})
}

// TestMosquittoLines sends a line a message over one connection, in order.
func TestMosquittoLines(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		const n = 500
		for qos := range 3 {
			q := fmt.Sprint(qos)
			sub := msub(t, h, h.addr, "sub", "lines", "-V", v, "-q", q, "-C", fmt.Sprint(n))
			pub := begin(t, "mosquitto_pub", at(h.addr, []string{"-V", v, "-q", q, "-t", "lines", "-l"})...)
			for i := range n {
				_, err := fmt.Fprintln(pub.stdin, "line", i)
				require.NoError(t, err)
			}
			require.NoError(t, pub.stdin.Close())
			require.Zero(t, pub.wait(t))
			for i := range n {
				require.Equal(t, fmt.Sprint("line ", i), sub.lines.next(t))
			}
			require.Zero(t, sub.wait(t))
			h.seen.await(t, "disconnected", "sub", qos+1)
		}
	})
}

func TestMosquittoRetained(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		mpub(t, h.addr, "-V", v, "-t", "r/1", "-m", "old", "-r")
		mpub(t, h.addr, "-V", v, "-t", "r/1", "-m", "new", "-r", "-q", "2")
		mpub(t, h.addr, "-V", v, "-t", "r/2", "-m", "gone", "-r", "-q", "1")
		mpub(t, h.addr, "-V", v, "-t", "r/2", "-n", "-r", "-q", "1")
		out, _, code := mosq(t, "mosquitto_sub", h.addr, "-V", v, "-t", "r/#", "-C", "1", "-q", "2", "-F", "%t %q %r %p")
		require.Zero(t, code)
		require.Equal(t, "r/1 2 1 new\n", out)
		// -R shows live messages only.
		sub := msub(t, h, h.addr, "live", "r/#", "-V", v, "-R")
		mpub(t, h.addr, "-V", v, "-t", "r/1", "-m", "live")
		require.Equal(t, "live", sub.lines.next(t))
		// Take it away again.
		_, _, code = mosq(t, "mosquitto_sub", h.addr, "-V", v, "-t", "r/#", "--remove-retained", "-W", "1")
		require.Equal(t, 27, code, "timed out")
		require.Eventually(t, func() bool { return h.Metrics().RetainedMessages == 0 }, patience, 5*time.Millisecond)
	})
}

func TestMosquittoWill(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		watch := msub(t, h, h.addr, "watch", "will/#", "-V", v, "-q", "2", "-F", "%t %q %p")
		args := []string{"-V", v, "--will-topic", "will/c", "--will-payload", "killed", "--will-qos", "2", "--will-retain"}
		msub(t, h, h.addr, "c", "x", args...).kill()
		require.Equal(t, "will/c 2 killed", watch.lines.next(t))
		out, _, _ := mosq(t, "mosquitto_sub", h.addr, "-V", v, "-t", "will/#", "-C", "1", "-F", "%r %p")
		require.Equal(t, "1 killed\n", out)
		// One that ends by itself says DISCONNECT.
		_, _, code := mosq(t, "mosquitto_sub", h.addr, append(args, "-i", "polite", "-t", "x", "-E")...)
		require.Zero(t, code)
		h.seen.await(t, "disconnected", "polite", 1)
		watch.lines.none(t)
	})
}

func TestMosquittoPersistentSession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		id := []string{"-V", v, "-i", "sub", "-c", "-t", "q/#", "-q", "2"}
		_, stderr, code := mosq(t, "mosquitto_sub", h.addr, append(id, "-E")...)
		require.Zero(t, code, stderr)
		h.seen.await(t, "disconnected", "sub", 1)
		var want []string
		for qos := range 3 {
			q := fmt.Sprint(qos)
			for i := range 7 {
				mpub(t, h.addr, "-V", v, "-t", "q/"+q, "-q", q, "-m", fmt.Sprint("message ", i))
				if qos > 0 { // QoS 0 is not kept
					want = append(want, fmt.Sprintf("q/%s %s message %d", q, q, i))
				}
			}
		}
		out, stderr, code := mosq(t, "mosquitto_sub", h.addr, append(id, "-C", fmt.Sprint(len(want)), "-F", "%t %q %p")...)
		require.Zero(t, code, stderr)
		require.Equal(t, strings.Join(want, "\n")+"\n", out)
		h.seen.await(t, "disconnected", "sub", 2)
		// Nothing is left, and a clean client ends the session.
		_, _, code = mosq(t, "mosquitto_sub", h.addr, append(id, "-W", "1")...)
		require.Equal(t, 27, code, "timed out")
		sub := msub(t, h, h.addr, "sub", "other", "-V", v)
		sub.kill()
		h.seen.await(t, "disconnected", "sub", 4)
		require.Zero(t, h.Metrics().Sessions)
	})
}

func TestMosquittoProperties(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	format := "type=%C correlation=%D expiry=%E format=%F user=%P response=%R id=%S payload=%p"
	sub := msub(t, h, h.addr, "sub", "p/#", "-V", "5", "-q", "1", "-F", format,
		"-D", "subscribe", "subscription-identifier", "4711", "-D", "connect", "receive-maximum", "2")
	props := func(command string) []string {
		var out []string
		for _, p := range [][]string{
			{"content-type", "text/plain"},
			{"correlation-data", "c-1"},
			{"message-expiry-interval", "100"},
			{"payload-format-indicator", "1"},
			{"response-topic", "p/answer"},
			{"user-property", "k", "v"},
			{"user-property", "k", "w"},
		} {
			out = append(out, append([]string{"-D", command}, p...)...)
		}
		return out
	}
	want := "type=text/plain correlation=c-1 expiry=%d format=1 user=k:v k:w response=p/answer id=4711 payload=%s"
	for qos := range 3 {
		mpub(t, h.addr, append(props("publish"), "-V", "5", "-t", "p/x", "-m", "hello", "-q", fmt.Sprint(qos))...)
		require.Equal(t, fmt.Sprintf(want, 100, "hello"), sub.lines.next(t))
	}
	// A topic alias of the publisher's.
	pub := begin(t, "mosquitto_pub", at(h.addr, []string{"-V", "5", "-t", "p/alias", "-l", "-D", "publish", "topic-alias", "3"})...)
	_, err := fmt.Fprint(pub.stdin, "one\ntwo\n")
	require.NoError(t, err)
	require.NoError(t, pub.stdin.Close())
	require.Zero(t, pub.wait(t))
	for _, m := range []string{"one", "two"} {
		require.True(t, strings.HasSuffix(sub.lines.next(t), "payload="+m))
	}
	// Properties of a will.
	msub(t, h, h.addr, "mortal", "x", append(props("will"), "-V", "5", "--will-topic", "p/will", "--will-payload", "killed")...).kill()
	require.Equal(t, fmt.Sprintf(want, 100, "killed"), sub.lines.next(t))
	// A session that expires by its property.
	_, _, code := mosq(t, "mosquitto_sub", h.addr, "-V", "5", "-i", "brief", "-c", "-t", "x", "-E", "-x", "1")
	require.Zero(t, code)
	require.Eventually(t, func() bool { return h.Metrics().Sessions == 1 }, patience, 5*time.Millisecond)
}

func TestMosquittoRequestResponse(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		answers := h.hear(t, "ask")
		rr := begin(t, "mosquitto_rr", at(h.addr, []string{"-V", v, "-t", "ask", "-e", "answer", "-m", "how are you?", "-q", "1"})...)
		m := answers.next(t)
		require.Equal(t, "how are you?", string(m.Payload))
		to := "answer"
		if v == "5" {
			require.Equal(t, to, m.ResponseTopic)
		}
		require.NoError(t, h.PublishMessage(t.Context(), &thinghub.Message{
			Topic: to, QoS: 1, Payload: []byte("fine"), CorrelationData: bytes.Clone(m.CorrelationData),
		}))
		require.Equal(t, "fine", rr.lines.next(t))
		require.Zero(t, rr.wait(t))
	})
}

func TestMosquittoTLS(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		p, other := newPKI(t), newPKI(t)
		h := startHub(t, func(c *thinghub.Config) { c.Authenticator = byCertificate{} })
		addr := h.serveTLS(t, p.serverConfig(tls.RequireAndVerifyClientCert))
		certs := []string{"-V", v, "--cafile", p.caFile, "--cert", p.certFile, "--key", p.keyFile}
		sub := msub(t, h, addr, "sub", "a", certs...)
		require.Equal(t, "pump-1", h.client(t, "sub").Principal)
		require.Equal(t, "tls", h.client(t, "sub").Transport)
		mpub(t, addr, append(certs, "-t", "a", "-m", "hello", "-q", "2", "--tls-alpn", "mqtt")...)
		require.Equal(t, "hello", sub.lines.next(t))
		for name, args := range map[string][]string{
			"no certificate":            {"--cafile", p.caFile},
			"another authority's":       {"--cafile", p.caFile, "--cert", other.certFile, "--key", other.keyFile},
			"a hub nobody vouches for":  {"--cafile", other.caFile, "--cert", p.certFile, "--key", p.keyFile},
			"no TLS on the TLS port":    nil,
			"a name not in certificate": {"--cafile", p.caFile, "--cert", p.certFile, "--key", p.keyFile, "-h", "127.0.0.2"},
		} {
			_, _, code := mosq(t, "mosquitto_pub", addr, append(args, "-V", v, "-t", "a", "-m", "no", "-q", "1")...)
			require.NotZero(t, code, name)
		}
		sub.lines.none(t)
	})
}

func TestMosquittoPassword(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t, func(c *thinghub.Config) { c.Authenticator, c.Authorizer = byPassword{"ann": "right"}, exceptSecret{} })
		sub := msub(t, h, h.addr, "sub", "a", "-V", v, "-u", "ann", "-P", "right")
		require.Equal(t, "ann", h.client(t, "sub").Principal)
		mpub(t, h.addr, "-V", v, "-u", "ann", "-P", "right", "-t", "a", "-m", "hello")
		require.Equal(t, "hello", sub.lines.next(t))
		for _, tc := range []struct {
			user, password, v3, v5 string
			code3, code5           int
		}{
			{"ann", "wrong", "bad user name or password", "Bad User Name or Password", 4, 134},
			{"eve", "", "not authorised", "Not authorized", 5, 135},
		} {
			_, stderr, code := mosq(t, "mosquitto_pub", h.addr, "-V", v, "-u", tc.user, "-P", tc.password, "-t", "a", "-m", "no")
			want, text := tc.code3, tc.v3
			if v == "5" {
				want, text = tc.code5, tc.v5
			}
			require.Equal(t, want, code, stderr)
			require.Contains(t, strings.ToLower(stderr), strings.ToLower(text))
		}
		// A subscription that is denied.
		_, stderr, _ := mosq(t, "mosquitto_sub", h.addr, "-V", v, "-u", "ann", "-P", "right", "-t", "secret", "-W", "2")
		require.Contains(t, stderr, "All subscription requests were denied")
	})
}

func TestMosquittoShared(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		a := msub(t, h, h.addr, "a", "$share/g/jobs/+", "-V", v, "-q", "1")
		b := msub(t, h, h.addr, "b", "$share/g/jobs/+", "-V", v, "-q", "1")
		const n = 100
		for i := range n {
			h.say(t, "jobs/x", fmt.Sprint(i), broker.AtLeastOnce)
		}
		got := map[string]int{}
		for range n {
			select {
			case m := <-a.lines.c:
				got[m]++
			case m := <-b.lines.c:
				got[m]++
			case <-time.After(patience):
				require.FailNow(t, "jobs are missing", "%d arrived", len(got))
			}
		}
		require.Len(t, got, n)
		a.lines.none(t)
		b.lines.none(t)
	})
}

func TestMosquittoLargeFile(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		file := filepath.Join(t.TempDir(), "large")
		require.NoError(t, os.WriteFile(file, huge, 0o600))
		host := h.hear(t, "large")
		for qos := range 3 {
			q := fmt.Sprint(qos)
			mpub(t, h.addr, "-V", v, "-q", q, "-t", "large", "-r", "-f", file)
			require.Equal(t, huge, host.next(t).Payload)
			out, _, code := mosq(t, "mosquitto_sub", h.addr, "-V", v, "-q", q, "-t", "large", "-C", "1", "-N")
			require.Zero(t, code)
			require.True(t, out == string(huge))
		}
	})
}

func TestMosquittoSys(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t, func(c *thinghub.Config) { c.Gateway.SysInterval, c.Gateway.Version = 50*time.Millisecond, "interop 1" })
		all := msub(t, h, h.addr, "all", "#", "-V", v)
		sub := msub(t, h, h.addr, "sub", "$SYS/#", "-V", v, "-F", "%t %p")
		var lines []string
		for _, want := range []string{"$SYS/broker/version interop 1", "$SYS/broker/clients/connected 2", "$SYS/broker/subscriptions/count 2"} {
			for seen := false; !seen; {
				for _, l := range lines {
					seen = seen || l == want
				}
				if !seen {
					lines = append(lines, sub.lines.next(t))
				}
			}
		}
		all.lines.none(t) // "#" does not match them
	})
}

// TestMosquittoBridge runs a Mosquitto broker that is a client of ours: it copies
// topics in both directions.
func TestMosquittoBridge(t *testing.T) {
	eachVersion(t, func(t *testing.T, v string) {
		h := startHub(t)
		host := h.hear(t, "#")
		state := func(want string) {
			t.Helper()
			for m := host.next(t); m.Topic != "bridge/state" || string(m.Payload) != want; m = host.next(t) {
			}
		}
		ln := listen(t, "127.0.0.1:0")
		addr := ln.Addr().String()
		_, port, _ := net.SplitHostPort(addr)
		require.NoError(t, ln.Close())
		dir := t.TempDir()
		conf := filepath.Join(dir, "mosquitto.conf")
		protocol := map[string]string{"311": "mqttv311", "5": "mqttv50"}[v]
		require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, `
listener %s 127.0.0.1
allow_anonymous true
persistence true
persistence_location %s/
%s
connection to-the-hub
address %s
bridge_protocol_version %s
remote_clientid bridge
cleansession false
restart_timeout 1
notification_topic bridge/state
topic up/# out 2
topic down/# in 2
topic both/# both 1 here/ there/
`, port, dir, asRoot(), h.addr, protocol), 0o600))
		mosquitto := begin(t, "mosquitto", "-c", conf)
		state("1")
		local := []string{"-c", "-i", "local", "-q", "2", "-t", "up/#", "-t", "down/#", "-t", "here/#", "-F", "%t %q %p"}
		await(t, "a subscription at Mosquitto", func() error {
			if _, stderr, code := mosq(t, "mosquitto_sub", addr, append(local, "-E")...); code != 0 {
				return errors.New(stderr)
			}
			return nil
		})
		here := begin(t, "mosquitto_sub", at(addr, local)...)
		h.seen.await(t, "subscribed", "bridge", 2)
		// QoS 1 waits in the session until mosquitto_sub is there; QoS 0 would not.
		mpub(t, addr, "-t", "up/ready", "-m", "yes", "-q", "1")
		require.Equal(t, "up/ready", host.next(t).Topic)
		require.Equal(t, "up/ready 1 yes", here.lines.next(t))
		for qos := range 3 {
			mpub(t, addr, "-t", "up/x", "-m", "up", "-q", fmt.Sprint(qos))
			m := host.next(t)
			require.Equal(t, "up/x up", m.Topic+" "+string(m.Payload))
			require.Equal(t, broker.QoS(qos), m.QoS)
			require.Equal(t, fmt.Sprintf("up/x %d up", qos), here.lines.next(t))

			h.say(t, "down/x", "down", broker.QoS(qos))
			require.Equal(t, fmt.Sprintf("down/x %d down", qos), here.lines.next(t))
			require.Equal(t, "down/x", host.next(t).Topic)
		}
		// Both ways, under other names.
		h.say(t, "there/both/x", "from the hub", broker.AtLeastOnce)
		require.Equal(t, "here/both/x 1 from the hub", here.lines.next(t))
		require.Equal(t, "there/both/x", host.next(t).Topic)
		mpub(t, addr, "-t", "here/both/y", "-m", "from Mosquitto", "-q", "1")
		require.Equal(t, "here/both/y 1 from Mosquitto", here.lines.next(t))
		require.Equal(t, "there/both/y", host.next(t).Topic)
		if v == "311" { // which has no No Local: the bridge hears itself, once
			require.Equal(t, "here/both/y 1 from Mosquitto", here.lines.next(t))
		}
		host.none(t)
		here.lines.none(t)

		// What comes while the bridge is away waits for it; with MQTT 5 this Mosquitto
		// asks for no session that outlives the connection.
		require.NoError(t, mosquitto.cmd.Process.Signal(syscall.SIGTERM))
		mosquitto.wait(t)
		here.kill()
		h.seen.await(t, "disconnected", "bridge", 1)
		h.say(t, "down/x", "waited", broker.ExactlyOnce)
		mosquitto = begin(t, "mosquitto", "-c", conf)
		state("1")
		h.seen.await(t, "subscribed", "bridge", 4)
		if v == "5" {
			h.say(t, "down/x", "waited", broker.ExactlyOnce)
		}
		await(t, "the subscriber at Mosquitto", func() error {
			out, stderr, code := mosq(t, "mosquitto_sub", addr, append(local, "-C", "1")...)
			if code != 0 {
				return errors.New(stderr)
			}
			require.Equal(t, "down/x 2 waited\n", out)
			return nil
		})
		// A power cut, and the bridge's will.
		mosquitto.kill()
		state("0")
	})
}

// asRoot keeps a Mosquitto that root starts from becoming another user, who could not
// write into the test's folder.
func asRoot() string {
	if os.Getuid() == 0 {
		return "user root"
	}
	return ""
}
