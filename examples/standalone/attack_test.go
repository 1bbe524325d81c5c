package main

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The attacks of this file and those beside it start the program with everything its file
// can say, and do what somebody would try who wants in, or wants more than its policies
// give. See auth/doc.go for what has to be.

// TestAttackLogin goes through credentials that must not do.
func TestAttackLogin(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	long := strings.Repeat("x", 1025)
	for _, c := range []struct {
		name   string
		o      hello
		v4, v5 int
	}{
		{"nobody", hello{id: "pump-2"}, 5, 0x87},
		{"nobody without an id", hello{}, 5, 0x87},
		{"right", hello{id: "pump-2", user: "alice", password: "alice-pw"}, 0, 0},
		{"right, with the name of an SDK", hello{id: "pump-2", user: "alice?SDK=Go&Version=1", password: "alice-pw"}, 0, 0},
		{"wrong password", hello{id: "pump-2", user: "alice", password: "bob-pw"}, 4, 0x86},
		{"password in another case", hello{id: "pump-2", user: "alice", password: "ALICE-PW"}, 4, 0x86},
		{"password with a blank", hello{id: "pump-2", user: "alice", password: "alice-pw "}, 4, 0x86},
		{"beginning of the password", hello{id: "pump-2", user: "alice", password: "alice-p"}, 4, 0x86},
		{"empty password", hello{id: "pump-2", user: "alice"}, 4, 0x86},
		{"no password", hello{id: "pump-2", user: "alice", noPassword: true}, 4, 0x86},
		{"NUL behind the password", hello{id: "pump-2", user: "alice", password: "alice-pw\x00"}, 4, 0x86},
		{"NUL and another password", hello{id: "pump-2", user: "alice", password: "alice-pw\x00bob"}, 4, 0x86},
		{"long password", hello{id: "pump-2", user: "alice", password: long}, 4, 0x86},
		{"longest password", hello{id: "pump-2", user: "alice", password: strings.Repeat("x", 65535)}, 4, 0x86},
		{"NUL in the name", hello{id: "pump-2", user: "alice\x00", password: "alice-pw"}, refused, 0x81},
		{"no UTF-8 in the name", hello{id: "pump-2", user: "alice\xff", password: "alice-pw"}, refused, 0x81},
		{"name in another case", hello{id: "pump-2", user: "Alice", password: "alice-pw"}, 4, 0x86},
		{"name with a blank", hello{id: "pump-2", user: "alice ", password: "alice-pw"}, 4, 0x86},
		{"name that looks alike", hello{id: "pump-2", user: "аlice", password: "alice-pw"}, 4, 0x86},
		{"name with a wildcard", hello{id: "pump-2", user: "*", password: "alice-pw"}, 4, 0x86},
		{"ARN as name", hello{id: "pump-2", user: scope + "user/alice", password: "alice-pw"}, 4, 0x86},
		{"id of a certificate as name", hello{id: "pump-1", user: idOf(h.certs["device"]), password: "x"}, 4, 0x86},
		{"access key as name", hello{id: "pump-2", user: "AKIAADMIN", password: "admin-secret"}, 4, 0x86},
		{"long name", hello{id: "pump-2", user: strings.Repeat("a", 65000), password: "alice-pw"}, 4, 0x86},
		{"only a query as name", hello{id: "pump-2", user: "?SDK=Go", password: "alice-pw"}, 5, 0x87},
		{"a custom authorizer that is not there", hello{id: "pump-2", user: "alice?x-amz-customauthorizer-name=alice", password: "alice-pw"}, 5, 0x87},
		{"unknown user", hello{id: "pump-2", user: "mallory", password: "alice-pw"}, 4, 0x86},
		{"another user's client id", hello{id: "pump-2", user: "nix", password: "nix-pw"}, 5, 0x87},
		{"no policy", hello{id: "nix", user: "nix", password: "nix-pw"}, 5, 0x87},
		{"thing of somebody else", hello{id: "pump-1", user: "alice", password: "alice-pw"}, 5, 0x87},
		{"unknown thing", hello{id: "pump-77", user: "alice", password: "alice-pw"}, 5, 0x87},
		{"own thing in another case", hello{id: "Pump-2", user: "alice", password: "alice-pw"}, 5, 0x87},
		{"own thing and more", hello{id: "pump-2/x", user: "alice", password: "alice-pw"}, 5, 0x87},
		{"wildcard as client id", hello{id: "*", user: "alice", password: "alice-pw"}, 5, 0x87},
		{"variable as client id", hello{id: "${iot:Connection.Thing.ThingName}", user: "alice", password: "alice-pw"}, 5, 0x87},
		{"NUL in the client id", hello{id: "pump-2\x00", user: "alice", password: "alice-pw"}, refused, 0x81},
		{"long client id", hello{id: strings.Repeat("a", 65535), user: "alice", password: "alice-pw"}, 5, 0x87},
	} {
		for v, want := range map[byte]int{4: c.v4, 5: c.v5} {
			t.Run(version(v)+" "+c.name, func(t *testing.T) {
				c.o.v = v
				w, got := connect(t, h.tcp(t), c.o)
				require.Equal(t, want, got)
				if got != 0 {
					w.ended()
				} else {
					w.bye()
				}
			})
		}
	}
	t.Run("password without a name", func(t *testing.T) {
		_, got := connect(t, h.tcp(t), hello{id: "pump-2", onlyPassword: true, password: "alice-pw"})
		require.Equal(t, 0x87, got)
	})
	t.Run("enhanced authentication", func(t *testing.T) {
		_, got := connect(t, h.tcp(t), hello{id: "pump-2", user: "alice", password: "alice-pw", method: "SCRAM-SHA-256"})
		require.Equal(t, 0x8c, got)
	})
	t.Run("another protocol", func(t *testing.T) {
		_, got := connect(t, h.tcp(t), hello{v: 4, id: "pump-2", user: "alice", password: "alice-pw", protocolLevel: 6})
		require.Equal(t, 1, got)
	})
	for _, secret := range []string{"alice-pw", "admin-secret", "ALICE-PW"} {
		require.NotContains(t, h.p.Stderr(), secret, "in the log")
	}
}

func newReader(nc net.Conn) *bufio.Reader { return bufio.NewReader(nc) }

func version(v byte) string { return map[byte]string{4: "3.1.1", 5: "5"}[v] }

// TestAttackGuessing: whoever goes on guessing is not answered any more, not even if it is
// right, and learns by that nothing about who exists.
func TestAttackGuessing(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	for _, name := range []string{"alice", "mallory"} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				_, got := connect(t, h.tcp(t), hello{id: "x", user: name, password: "guess"})
				require.Equal(t, 0x86, got)
			}
			_, got := connect(t, h.tcp(t), hello{id: "x", user: name, password: name + "-pw"})
			require.Equal(t, 0x8a, got)
		})
	}
	t.Run("over HTTP", func(t *testing.T) {
		require.Equal(t, 401, h.do(t, call{path: "/topics/dt/pump-2/x", user: "alice", password: "alice-pw"}).status, "the same count")
	})
}

// TestAttackSessions: nobody gets at the session of somebody else.
func TestAttackSessions(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	for _, v := range []byte{4, 5} {
		id := "queue-" + version(v)
		victim := hello{v: v, user: "bob", id: id, resume: true, expiry: 3600}
		w := h.user(t, victim)
		require.Equal(t, 1, w.subscribe("open/"+id))
		other := func(o hello) int {
			o.v, o.id, o.user, o.password = v, id, "carol", "carol-pw"
			_, code := connect(t, h.tcp(t), o)
			return code
		}
		denied := map[byte]int{4: 5, 5: 0x87}[v]
		t.Run(version(v)+" take-over of a connection", func(t *testing.T) {
			require.Equal(t, denied, other(hello{}))
			require.Equal(t, denied, other(hello{resume: true, expiry: 60}))
			require.Zero(t, root.publish("open/"+id, "alive", false))
			require.Empty(t, w.await("alive"), "the victim did not notice")
		})
		w.bye()
		require.Zero(t, root.publish("open/"+id, "waiting", false))
		t.Run(version(v)+" reading a queue", func(t *testing.T) {
			require.Equal(t, denied, other(hello{resume: true, expiry: 60}))
		})
		t.Run(version(v)+" clean start on another's session", func(t *testing.T) {
			require.Equal(t, denied, other(hello{}))
		})
		t.Run(version(v)+" with a certificate", func(t *testing.T) {
			nc, err := h.tls(t, h.trust(h.certs["device"]))
			require.NoError(t, err)
			_, code := connect(t, nc, hello{v: v, id: id, resume: true})
			require.Equal(t, denied, code)
		})
		t.Run(version(v)+" the owner has it back", func(t *testing.T) {
			w := h.user(t, victim)
			require.Empty(t, w.await("waiting"))
			w.bye()
		})
		t.Run(version(v)+" when it is over anybody may have the id", func(t *testing.T) {
			h.user(t, hello{v: v, user: "bob", id: id}).bye()
			require.Eventually(t, func() bool { return other(hello{}) == 0 }, wait, wait/1000)
		})
	}
}

// TestAttackRefused: what comes along with a CONNECT that is refused has no effect.
func TestAttackRefused(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	require.Equal(t, 1, root.subscribe("#"))
	quiet := func(t *testing.T, mark string) {
		t.Helper()
		require.Zero(t, root.publish("sync", mark, false))
		require.Empty(t, root.await(mark))
	}
	for _, v := range []byte{4, 5} {
		probe := &wire{v: v}
		behind := probe.publication("open/x", "pipelined", false)
		behind = append(behind, probe.publication("open/x", "retained", true)...)
		for name, o := range map[string]hello{
			"wrong password":     {id: "b", user: "bob", password: "alice-pw"},
			"nobody":             {id: "b"},
			"no right to be":     {id: "pump-1", user: "alice", password: "alice-pw"},
			"unknown user":       {id: "b", user: "mallory", password: "x"},
			"not even a CONNECT": {id: "b\x00", user: "bob", password: "bob-pw"},
		} {
			t.Run(version(v)+" "+name, func(t *testing.T) {
				o.v, o.alsoBehind = v, behind
				o.will, o.willPayload, o.willRetain = "open/will", "will", true
				w, code := connect(t, h.tcp(t), o)
				require.NotZero(t, code)
				w.ended()
				quiet(t, version(v)+name)
			})
		}
		t.Run(version(v)+" packets before CONNECT", func(t *testing.T) {
			nc := h.tcp(t)
			_, err := nc.Write(behind)
			require.NoError(t, err)
			(&wire{t: t, nc: nc, r: newReader(nc)}).ended()
			quiet(t, "before"+version(v))
		})
		t.Run(version(v)+" a second CONNECT", func(t *testing.T) {
			w := h.user(t, hello{v: v, user: "bob", id: "twice"})
			o := hello{v: v, user: "root", password: "root-pw", id: "twice"}
			w.send(append(o.bytes(), behind...))
			w.ended()
			quiet(t, "second"+version(v))
		})
		t.Run(version(v)+" pipelined behind one that is accepted", func(t *testing.T) {
			o := hello{v: v, user: "bob", id: "fast", alsoBehind: (&wire{v: v}).publication("open/readonly/x", "forbidden", false)}
			o.alsoBehind = append(o.alsoBehind, (&wire{v: v}).publication("open/fast", "fast "+version(v), false)...)
			h.user(t, o)
			require.Empty(t, root.await("fast "+version(v)))
		})
	}
	t.Run("nothing was retained", func(t *testing.T) {
		late := h.user(t, hello{user: "root", id: "late"})
		require.Equal(t, 1, late.subscribe("open/#"))
		require.Zero(t, root.publish("open/sync", "late", false))
		require.Empty(t, late.await("late"))
	})
}
