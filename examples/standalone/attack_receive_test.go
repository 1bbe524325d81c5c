package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAttackReceive: what somebody may not receive does not come by any way.
func TestAttackReceive(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	for _, v := range []byte{4, 5} {
		is := version(v) + " "
		t.Run(is+"live, through every filter", func(t *testing.T) {
			for _, filter := range []string{"#", "open/#", "+/secret/x", "open/secret/x", "open/+/+", "$share/g/open/#", "$share/g/#"} {
				w := h.user(t, hello{v: v, user: "bob", id: "live"})
				require.Equal(t, 1, w.subscribe(filter))
				require.Equal(t, 1, w.subscribe("sync"))
				for _, topic := range []string{"open/secret/x", "closed/x"} {
					require.Zero(t, root.publish(topic, "forbidden", false))
				}
				require.Zero(t, root.publish("sync", is+filter, false))
				require.Empty(t, w.await(is+filter))
				w.bye()
			}
		})
		t.Run(is+"retained", func(t *testing.T) {
			for _, topic := range []string{"open/a/x", "open/secret/x", "open/z/x", "closed/x"} {
				require.Zero(t, root.publish(topic, topic, true))
			}
			for _, filter := range []string{"#", "open/#", "open/+/x"} {
				w := h.user(t, hello{v: v, user: "bob", id: "kept"})
				require.Equal(t, 1, w.subscribe(filter))
				w.await("open/a/x")
				w.got = nil
				w.bye()
				w = h.user(t, hello{v: v, user: "bob", id: "kept"})
				require.Equal(t, 1, w.subscribe(filter))
				for _, m := range append(w.await("open/z/x"), w.got...) {
					require.Equal(t, "open/a/x", m.topic)
				}
				w.bye()
			}
			for _, exact := range []string{"open/secret/x", "closed/x"} {
				w := h.user(t, hello{v: v, user: "bob", id: "kept"})
				require.Equal(t, 1, w.subscribe(exact))
				require.Equal(t, 1, w.subscribe("open/a/x"))
				require.Empty(t, w.await("open/a/x"))
				w.bye()
			}
			for _, topic := range []string{"open/a/x", "open/secret/x", "open/z/x", "closed/x"} {
				require.Zero(t, root.publish(topic, "", true))
			}
		})
		t.Run(is+"queued", func(t *testing.T) {
			o := hello{v: v, user: "bob", id: "queued", resume: true, expiry: 600}
			w := h.user(t, o)
			require.Equal(t, 1, w.subscribe("#"))
			w.bye()
			for _, topic := range []string{"open/secret/x", "open/x", "closed/x"} {
				require.Zero(t, root.publish(topic, topic, false))
			}
			require.Zero(t, root.publish("sync", is+"queued", false))
			require.Equal(t, []message{{topic: "open/x", payload: "open/x"}}, h.user(t, o).await(is+"queued"))
			h.user(t, hello{v: v, user: "bob", id: "queued"}).bye()
		})
		t.Run(is+"shared: it goes to who may have it", func(t *testing.T) {
			w := h.user(t, hello{v: v, user: "bob", id: "member"})
			other := h.user(t, hello{v: v, user: "root", id: "member-2"})
			for _, x := range []*wire{w, other} {
				require.Equal(t, 1, x.subscribe("$share/team/open/secret/+"))
			}
			require.Equal(t, 1, w.subscribe("sync"))
			for range 6 {
				require.Zero(t, root.publish("open/secret/x", "for two", false))
			}
			for range 6 {
				require.Empty(t, other.await("for two"))
			}
			require.Zero(t, root.publish("sync", is+"shared", false))
			require.Empty(t, w.await(is+"shared"))
			w.bye()
			other.bye()
		})
		t.Run(is+"shadow answers of another thing", func(t *testing.T) {
			w := h.user(t, hello{v: v, user: "bob", id: "spy"})
			require.Equal(t, 1, w.subscribe("$aws/things/+/shadow/#"))
			require.Equal(t, 1, w.subscribe("$aws/events/#"))
			require.Equal(t, 1, w.subscribe("sync"))
			require.Zero(t, root.publish("$aws/things/pump-1/shadow/update", `{"state":{"desired":{"a":1}}}`, false))
			h.user(t, hello{v: v, user: "carol", id: "noise"}).bye()
			require.Zero(t, root.publish("sync", is+"shadow", false))
			require.Empty(t, w.await(is+"shadow"))
			w.bye()
		})
	}
}

// TestAttackClientIDs: what a client calls itself is no wildcard and no variable.
func TestAttackClientIDs(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	for _, id := range []string{"+", "#", "*", "?", "$", "a/b", "..", "${*}", "${iot:ClientId}", "id/x", "ä", "\\", "%2F", "a b"} {
		for _, v := range []byte{4, 5} {
			t.Run(version(v)+" "+strings.ReplaceAll(id, "/", "|"), func(t *testing.T) {
				w := h.user(t, hello{v: v, user: "carol", id: id})
				defer w.bye()
				for _, other := range []string{"id/somebody/x", "id/s/x", "id//x", "id/x", "x"} {
					if other != "id/"+id+"/x" {
						require.Equal(t, granted(v, false), w.subscribe(other), other)
					}
				}
				for _, wide := range []string{"id/#", "id/+/x", "#", "id/+/#", "+/+/x"} {
					if wide != "id/"+id+"/x" {
						require.Equal(t, granted(v, false), w.subscribe(wide), wide)
					}
				}
				if id != "#" { // which makes no filter
					require.Equal(t, granted(v, true), w.subscribe("id/"+id+"/x"), "the text, wildcard or not")
				}
				require.Equal(t, 1, w.subscribe("sync"))
				for _, other := range []string{"id/somebody/x", "id/s/x"} {
					require.Zero(t, root.publish(other, "of somebody else", false))
					require.Equal(t, map[byte]int{4: 0, 5: 0x87}[v], w.publish(other, "x", false))
				}
				require.Zero(t, root.publish("sync", "end", false))
				require.Empty(t, w.await("end"), "not even through a wildcard in its own name")
			})
		}
	}
}
