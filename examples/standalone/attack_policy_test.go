package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// granted is the code of a SUBACK.
func granted(v byte, yes bool) int {
	switch {
	case yes:
		return 1
	case v == 4:
		return 0x80
	default:
		return 0x87
	}
}

// TestAttackSubscribe: a filter is what its text is, whatever it would match.
func TestAttackSubscribe(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	for user, filters := range map[string]map[string]bool{
		"g-star": {"#": false, "+/b": false, "a": false, "a/#": true, "a/+/c": true, "a/b": true, "A/b": false, "/a/b": false, "a//b": true, "+/#": false, "a/+": true, "$share/g/a/b": true, "$share/g/#": false, "$share/g/+/b": false},
		"g-text": {"a/b": true, "a/+": false, "a/#": false, "+/b": false, "#": false, "a/B": false, "a/b/": false, "$share/g/a/b": true, "$share/g/a/#": false, "$share/a/b/c": false},
		"g-hash": {"a/#": true, "a/b": false, "a/+": false, "#": false},
		"g-one":  {"some/+/t": true, "some/x/t": true, "some/#": false, "some/xy/t": false, "some//t": false, "some/ä/t": true},
		"g-deny": {
			"a/#": true, "#": true, "a/restricted/x": false, "a/restricted/#": false, "$share/g/a/restricted/x": false, "$share/g/a/restricted/#": false, "a/restricted": true, "a/+/x": true,
			"$aws/things/pump-1/shadow/update": true, "A/restricted/x": true,
		},
		"g-share": {"$share/mine/a": true, "$share/mine/#": true, "$share/other/a": false, "a": false, "mine/a": false, "$share/min/e/a": false},
		"oldie":   {"old/o": false, "old/oldie": false, "old/+": false, "old/#": false},
		"unres":   {"u/known": false, "#": false, "topic/u/known": false},
		"claimer": {
			"$aws/certificates/create/json/accepted": true, "$aws/certificates/create/#": true, "$aws/certificates/#": false, "$aws/#": false, "#": false, "$aws/certificates/create-from-csr/json/accepted": false,
			"$aws/provisioning-templates/other/provision/json/accepted": false, "$aws/provisioning-templates/+/provision/json/accepted": false, "$aws/things/+/shadow/#": false,
		},
		"alice": {
			"dt/pump-2/x": true, "dt/pump-2/#": true, "dt/+/x": false, "dt/#": false, "+/pump-2/x": false, "dt/pump-1/x": false, "dt/pump-2": false, "dt/pump-20/x": false, "DT/pump-2/x": false, "dt//pump-2/x": false,
			"$aws/things/pump-2/shadow/get/accepted": true, "$aws/things/pump-2/shadow/#": true, "$aws/things/pump-1/shadow/get/accepted": false, "$aws/things/+/shadow/get/accepted": false, "$aws/things/#": false,
			"$aws/#": false, "$aws/events/#": false, "$SYS/#": false, "$share/g/dt/pump-2/x": true, "$share/g/dt/pump-1/x": false, "$share/g/#": false, "$share/dt/pump-2/x": false,
		},
	} {
		for _, v := range []byte{4, 5} {
			w := h.user(t, hello{v: v, user: user, id: idFor(user)})
			for filter, want := range filters {
				t.Run(version(v)+" "+user+" "+strings.ReplaceAll(filter, "/", "|"), func(t *testing.T) {
					require.Equal(t, granted(v, want), w.subscribe(filter))
				})
			}
			w.bye()
		}
	}
}

// idFor is the client id that a user may have: its thing's if it has one.
func idFor(user string) string {
	for _, u := range attackUsers {
		if u[0] == user && u[2] != "" {
			return u[2]
		}
	}
	return user
}

// TestAttackPublish: nothing comes out where somebody may not publish.
func TestAttackPublish(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	for _, f := range []string{"#", "$aws/#"} {
		require.Equal(t, 1, root.subscribe(f))
	}
	type try struct {
		topic  string
		retain bool
		want   bool
	}
	deny, allow := func(topic string) try { return try{topic: topic} }, func(topic string) try { return try{topic: topic, want: true} }
	for user, tries := range map[string][]try{
		"alice": {
			allow("dt/pump-2/x"), deny("dt/pump-1/x"), deny("dt/pump-2"), deny("dt/PUMP-2/x"), deny("DT/pump-2/x"), deny("/dt/pump-2/x"), deny("dt//pump-2/x"), allow("dt/pump-2//x"), allow("dt/pump-2/../../pump-1"), deny("dt/pump-2x/x"),
			deny("dt/ｐump-2/x"), deny("dt/pump-2\u200b/x"), deny("dt/${iot:Connection.Thing.ThingName}/x"), deny("dt/*/x"), deny("dt/?/x"), deny("$SYS/x"), deny("$share/g/dt/pump-2/x"), deny("open/x"), deny(" dt/pump-2/x"),
			deny("$aws/things/pump-1/shadow/update"), deny("$aws/things/pump-2/jobs/get"), deny("$aws/events/presence/connected/pump-2"), deny("$aws/rules/copy"), deny("$aws/rules/copy/dt/pump-2/x"), deny("$aws/certificates/create/json"),
			deny("$aws/things/pump-2/shadow/update/accepted"), deny("$aws/things/pump-2/shadow/update/delta"), deny("$aws/things/pump-2/shadow/get/rejected"), deny("$AWS/things/pump-2/shadow/update"),
			{topic: "$aws/things/pump-2/shadow/update", retain: true},
			deny("$aws/things/pump-2/shadow/name/a/update/documents"),
		},
		"bob": {
			allow("open/x"), allow("open/secret/x"), deny("open/readonly/x"), allow("open/readonly"), deny("open"), deny("openly/x"), deny("Open/x"),
			{topic: "open/x", retain: true},
			{topic: "open/kept/x", retain: true, want: true},
			{topic: "open/readonly/x", retain: true},
			allow("open/*"), deny("closed/x"),
		},
		"unres": {
			allow("u/known"), deny("u/"), deny("u/${iot:Connection.Thing.Attributes[nix]}"), deny("u/${iot:Thing.ThingName}"), deny("u/pump-9"), deny("u/x"), deny("secret/x"), deny("anything"),
		},
		"oldie": {allow("old/${iot:ClientId}"), deny("old/oldie"), deny("old/x")},
	} {
		for _, v := range []byte{4, 5} {
			w := h.user(t, hello{v: v, user: user, id: idFor(user)})
			for _, c := range tries {
				name := version(v) + " " + user + " " + strings.ReplaceAll(c.topic, "/", "|")
				if c.retain {
					name += " retained"
				}
				t.Run(name, func(t *testing.T) {
					code := w.publish(c.topic, name, c.retain)
					require.Zero(t, root.publish("sync", "end of "+name, false))
					got := withoutEvents(root.await("end of "+name), name)
					if c.want {
						require.Zero(t, code)
						require.Equal(t, []message{{topic: c.topic, payload: name}}, got)
						return
					}
					require.Equal(t, map[byte]int{4: 0, 5: 0x87}[v], code)
					require.Empty(t, got)
				})
			}
			w.bye()
		}
	}
	t.Run("an alias is no way around", func(t *testing.T) {
		w := h.user(t, hello{user: "bob", id: "alias"})
		require.Equal(t, 0x87, w.publish("open/readonly/x", "set by what is refused", false, 0x23, 0, 1))
		require.Equal(t, 0x87, w.publish("", "used", false, 0x23, 0, 1))
		require.Zero(t, w.publish("open/x", "set", false, 0x23, 0, 2))
		require.Equal(t, 0x87, w.publish("open/readonly/x", "changed", false, 0x23, 0, 2))
		require.Equal(t, 0x87, w.publish("", "used after the change", false, 0x23, 0, 2))
		require.Zero(t, root.publish("sync", "aliases", false))
		require.Equal(t, []message{{topic: "open/x", payload: "set"}}, withoutEvents(root.await("aliases"), ""))
	})
	t.Run("an alias of the connection before", func(t *testing.T) {
		w := h.user(t, hello{user: "bob", id: "alias", resume: true, expiry: 60})
		require.Zero(t, w.publish("open/x", "set", false, 0x23, 0, 3))
		w.bye()
		w = h.user(t, hello{user: "bob", id: "alias", resume: true, expiry: 60})
		require.Equal(t, refused, w.publish("", "x", false, 0x23, 0, 3))
		require.Zero(t, root.publish("sync", "alias", false))
		root.await("alias")
	})
	t.Run("a response topic is only a word", func(t *testing.T) {
		w := h.user(t, hello{user: "bob", id: "response"})
		require.Zero(t, w.publish("open/x", "ask", false, append([]byte{8}, text16("closed/x")...)...))
		require.Zero(t, root.publish("sync", "response", false))
		require.Equal(t, []message{{topic: "open/x", payload: "ask"}}, withoutEvents(root.await("response"), ""))
		require.Equal(t, refused, w.publish("open/x", "ask", false, append([]byte{8}, text16("closed/#")...)...))
	})
	for name, topic := range map[string]string{"wildcard": "open/#", "plus": "open/+", "NUL": "open/\x00", "no UTF-8": "open/\xff", "empty": ""} {
		for _, v := range []byte{4, 5} {
			t.Run(version(v)+" topic with "+name, func(t *testing.T) {
				w := h.user(t, hello{v: v, user: "root", id: "bad"})
				require.Equal(t, refused, w.publish(topic, "x", false))
			})
		}
	}
	t.Run("basic ingest goes to its rule and nobody else", func(t *testing.T) {
		w := h.user(t, hello{user: "root", id: "ingest"})
		require.Zero(t, w.publish("$aws/rules/copy/open/in", `{"a":1}`, false))
		require.Equal(t, []message{}, append([]message{}, withoutEvents(root.await(`{"a":1}`), "")...), "what the rule publishes comes first and only")
	})
	require.NotContains(t, h.p.Stderr(), "panic")
}

// withoutEvents leaves out what the hub itself tells of clients that come and go.
func withoutEvents(all []message, but string) (rest []message) {
	for _, m := range all {
		if !strings.HasPrefix(m.topic, "$aws/events/") || m.payload == but {
			rest = append(rest, m)
		}
	}
	return rest
}
