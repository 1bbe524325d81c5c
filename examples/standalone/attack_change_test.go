package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAttackPolicyChange: what is taken away is gone at once, on all ways.
func TestAttackPolicyChange(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	require.Equal(t, 1, root.subscribe("open/#"))
	bob := scope + "user/bob"
	admin := func(method, path, body string) {
		t.Helper()
		a := h.do(t, call{method: method, path: path, body: body, key: adminKey, service: "iot"})
		require.Equal(t, 200, a.status, a.body)
	}
	attach := func(on bool) {
		t.Helper()
		method := map[bool]string{true: http.MethodPut, false: http.MethodPost}[on]
		admin(method, "/target-policies/part", `{"target":"`+bob+`"}`)
	}
	// The client may still come in.
	admin(http.MethodPost, "/policies/rest", `{"policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:Connect\",\"Resource\":\"*\"},{\"Effect\":\"Allow\",\"Action\":\"iot:*\",\"Resource\":\"`+scope+`topic/sync\"}]}"}`)
	admin(http.MethodPut, "/target-policies/rest", `{"target":"`+bob+`"}`)
	for _, v := range []byte{4, 5} {
		is := version(v) + " "
		denied := map[byte]int{4: 0, 5: 0x87}[v]
		o := hello{v: v, user: "bob", id: "b" + version(v), resume: true, expiry: 600, will: "open/will", willPayload: is + "will", willRetain: false}
		start := func() *wire {
			w := h.user(t, o)
			require.Equal(t, 1, w.subscribe("open/#"))
			require.Equal(t, 1, w.subscribe("sync"))
			return w
		}
		t.Run(is+"live", func(t *testing.T) {
			w := start()
			require.Zero(t, w.publish("open/x", is+"before", false))
			root.await(is + "before")
			w.await(is + "before")
			attach(false)
			require.Equal(t, denied, w.publish("open/x", is+"after", false))
			require.Equal(t, granted(v, false), w.subscribe("open/y"))
			require.Zero(t, root.publish("open/x", is+"not for bob", false))
			require.Zero(t, root.publish("sync", is+"live", false))
			require.Empty(t, w.await(is+"live"))
			require.Empty(t, root.await(is+"not for bob"))
			attach(true)
			require.Zero(t, w.publish("open/x", is+"again", false))
			require.Empty(t, root.await(is+"again"))
			w.bye()
		})
		t.Run(is+"queued before", func(t *testing.T) {
			start().bye()
			require.Zero(t, root.publish("open/x", is+"queued", false))
			require.Zero(t, root.publish("sync", is+"behind", false))
			attach(false)
			w := h.user(t, o)
			require.Empty(t, w.await(is+"behind"))
			w.bye()
			attach(true)
		})
		t.Run(is+"will", func(t *testing.T) {
			for _, may := range []bool{true, false} {
				w := start()
				attach(may)
				_ = w.nc.Close()
				h.user(t, hello{v: v, user: "bob", id: o.id}).bye() // whoever comes after it, it is over
				require.Zero(t, root.publish("open/sync", is+"wills", false))
				want := []message{{topic: "open/will", payload: is + "will"}}
				if !may {
					want = nil
				}
				got := root.await(is + "wills")
				require.Equal(t, want, onlyWills(got))
			}
			attach(true)
		})
		t.Run(is+"retained will", func(t *testing.T) {
			o := o
			o.willRetain, o.will = true, "open/x/will"
			w := h.user(t, o)
			_ = w.nc.Close()
			h.user(t, hello{v: v, user: "bob", id: o.id}).bye()
			require.Zero(t, root.publish("open/sync", is+"retained", false))
			require.Empty(t, onlyWills(root.await(is+"retained")), "it takes iot:RetainPublish")
		})
		t.Run(is+"by another default version", func(t *testing.T) {
			w := start()
			deny := `{"policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"iot:Receive\",\"Resource\":\"` + scope + `topic/open/*\"},{\"Effect\":\"Allow\",\"Action\":\"iot:*\",\"Resource\":\"*\"}]}"}`
			admin(http.MethodPost, "/policies/part/version?setAsDefault=true", deny)
			require.Zero(t, root.publish("open/x", is+"not any more", false))
			require.Zero(t, root.publish("sync", is+"version", false))
			for _, m := range w.await(is + "version") {
				require.NotEqual(t, "open/x", m.topic)
			}
			admin(http.MethodPatch, "/policies/part/version/1", "")
			require.Zero(t, root.publish("open/x", is+"again", false))
			w.await(is + "again")
			root.await(is + "again")
			w.bye()
			list := h.do(t, call{path: "/policies/part/version", key: adminKey, service: "iot"})
			require.Equal(t, 200, list.status)
			_, rest, _ := strings.Cut(list.body, `"versionId":"`)
			n, _, _ := strings.Cut(rest, `"`)
			admin(http.MethodDelete, "/policies/part/version/"+n, "")
		})
		t.Run(is+"by the group of a thing", func(t *testing.T) {
			cert := h.certs["device"]
			w, code := h.enter(t, h.trust(cert), hello{v: v, id: "pump-1"})
			require.Zero(t, code)
			require.Zero(t, w.publish("dt/pump-1/x", "x", false))
			admin(http.MethodPost, "/policies/shut", `{"policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Deny\",\"Action\":\"iot:Publish\",\"Resource\":\"*\"}}"}`)
			group := `{"target":"` + scope + `thinggroup/pumps"}`
			admin(http.MethodPut, "/target-policies/shut", group)
			require.Equal(t, denied, w.publish("open/"+is, is+"of the group", false))
			require.Zero(t, root.publish("open/x", is+"group", false))
			require.Empty(t, onlyWills(root.await(is+"group")))
			admin(http.MethodPost, "/target-policies/shut", group)
			admin(http.MethodDelete, "/policies/shut", "")
			w.bye()
		})
		t.Run(is+"by taking the thing away", func(t *testing.T) {
			cert := h.certs["device3"]
			w, code := h.enter(t, h.trust(cert), hello{v: v, id: "pump-3"})
			require.Zero(t, code)
			who := http.Header{"X-Amzn-Principal": {scope + "cert/" + idOf(cert)}}
			a := h.do(t, call{method: http.MethodDelete, path: "/things/pump-3/principals", key: adminKey, service: "iot", header: who})
			require.Equal(t, 200, a.status, a.body)
			require.Equal(t, denied, w.publish("dt/pump-3/x", "x", false))
			_, code = h.enter(t, h.trust(cert), hello{v: v, id: "pump-3"})
			require.Equal(t, map[byte]int{4: 5, 5: 0x87}[v], code)
			a = h.do(t, call{method: http.MethodPut, path: "/things/pump-3/principals", key: adminKey, service: "iot", header: who})
			require.Equal(t, 200, a.status, a.body)
			require.Zero(t, w.publish("dt/pump-3/x", "x", false))
			w.bye()
		})
	}
}

func onlyWills(all []message) (wills []message) {
	for _, m := range all {
		if strings.HasSuffix(m.topic, "will") || strings.Contains(m.payload, "group") {
			wills = append(wills, m)
		}
	}
	return wills
}
