package redis_test

import (
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/redis"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	kinds := redis.Kinds(open(t, "127.0.0.1:1", nil))
	for _, tt := range []struct {
		name, json string
		want       redis.Action
	}{
		{
			"command", `{"redis":{"sink":"main","command":["XADD","s","*","payload","$payload","<a>"]}}`,
			redis.Action{SinkName: "main", Command: []string{"XADD", "s", "*", "payload", "$payload", "<a>"}},
		},
		{
			"command, once", `{"redis":{"command":["INCR","n:${clientid()}"],"onceSeconds":60}}`,
			redis.Action{Command: []string{"INCR", "n:${clientid()}"}, OnceSeconds: 60},
		},
		{"stream", `{"redis":{"stream":{"key":"s"}}}`, redis.Action{Stream: &redis.Stream{Key: "s"}}},
		{
			"stream with all", `{"redis":{"stream":{"key":"s:${a}","id":"${b}","maxLen":1000,"exact":true,"fields":{"p":"$payload","q":"${c}"}}}}`,
			redis.Action{Stream: &redis.Stream{Key: "s:${a}", ID: "${b}", MaxLen: 1000, Exact: true, Fields: map[string]string{"p": "$payload", "q": "${c}"}}},
		},
		{
			"publish", `{"redis":{"publish":{"channel":"c:${a}","message":"${b}","sharded":true}}}`,
			redis.Action{Publish: &redis.Publish{Channel: "c:${a}", Message: "${b}", Sharded: true}},
		},
		{"set", `{"redis":{"set":{"key":"k","value":"${b}","expireSeconds":5}}}`, redis.Action{Set: &redis.Set{Key: "k", Value: "${b}", ExpireSeconds: 5}}},
		{
			"hset", `{"redis":{"hset":{"key":"k","fields":{"a":"${a}"},"expireSeconds":5}}}`,
			redis.Action{HSet: &redis.HSet{Key: "k", Fields: map[string]string{"a": "${a}"}, ExpireSeconds: 5}},
		},
		{
			"lpush", `{"redis":{"lpush":{"key":"k","value":"${b}","maxLen":9,"expireSeconds":5}}}`,
			redis.Action{LPush: &redis.LPush{Key: "k", Value: "${b}", MaxLen: 9, ExpireSeconds: 5}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, err := actions.Decode([]byte(tt.json), kinds)
			require.NoError(t, err)
			data, ok, err := actions.Encode(a, kinds)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, tt.json, string(data))
			data, _, err = actions.Encode(&tt.want, kinds)
			require.NoError(t, err)
			require.Equal(t, tt.json, string(data))
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	one := open(t, "127.0.0.1:1", nil)
	other := open(t, "127.0.0.1:1", func(c *redis.Config) { c.Sink.Name, c.Allow = "other", []string{"flushdb"} })
	for _, tt := range []struct{ name, json, want string }{
		{"nothing", `{}`, `command is missing, expected one of command, stream, publish, set, hset and lpush`},
		{"two forms", `{"command":["INCR","a"],"set":{"key":"k"}}`, `set is there besides command, expected one of the two`},
		{"unknown member", `{"comand":["INCR","a"]}`, `comand is not known, expected command, hset, lpush, onceSeconds, publish, set, sink or stream`},
		{"unknown member inside", `{"stream":{"key":"s","maxlen":1}}`, `stream.maxlen is not known, expected exact, fields, id, key or maxLen`},
		{"command is a text", `{"command":"INCR a"}`, `command is "INCR a", expected an array`},
		{"command of numbers", `{"command":["INCRBY","a",1]}`, `command[2] is 1, expected a text`},
		{"no words", `{"command":[]}`, `command is an array of 0, expected 1 to 1024 items`},
		{"templated name", `{"command":["${x}","a"]}`, `command[0] is "${x}", expected the name of a command, without templates`},
		{"partly templated name", `{"command":["FLUSH${x}"]}`, `command[0] is "FLUSH${x}", expected the name of a command, without templates`},
		{"payload as name", `{"command":["$payload","a"]}`, `command[0] is "$payload", expected the name of a command, without templates`},
		{"dangerous", `{"command":["FLUSHALL"]}`, `command[0] is "FLUSHALL", expected a command that the hub allows`},
		{"dangerous in small letters", `{"command":["config","SET","dir","/etc"]}`, `command[0] is "config", expected a command that the hub allows`},
		{"script", `{"command":["eval","return 1","0"]}`, `command[0] is "eval", expected a command that the hub allows`},
		{"shutdown", `{"command":["SHUTDOWN"]}`, `command[0] is "SHUTDOWN", expected a command that the hub allows`},
		{"read", `{"command":["GET","a"]}`, `command[0] is "GET", expected a command that the hub allows`},
		{"not in this client", `{"command":["FLUSHDB"],"sink":"main"}`, `command[0] is "FLUSHDB", expected a command that the hub allows`},
		{"transaction", `{"command":["Multi"]}`, `command[0] is "Multi", expected a command other than one that changes the connection, which others share`},
		{"waits", `{"command":["blpop","a","0"]}`, `command[0] is "blpop", expected a command other than one that waits, and holds up what others send`},
		{"space in name", `{"command":["SET k v"]}`, `command[0] is "SET k v", expected a command that the hub allows`},
		{"empty key", `{"command":["INCR",""]}`, `command[1] is missing, expected a text`},
		{"stream without key", `{"stream":{}}`, `stream.key is missing, expected a text`},
		{"stream too long", `{"stream":{"key":"a","maxLen":0}}`, `stream.maxLen is 0, expected a whole number from 1 to 2147483647`},
		{"exact without length", `{"stream":{"key":"a","exact":true}}`, `stream.maxLen is missing, expected a number, because exact is true`},
		{"publish without channel", `{"publish":{"message":"a"}}`, `publish.channel is missing, expected a text`},
		{"expiry", `{"hset":{"key":"a","expireSeconds":-1}}`, `hset.expireSeconds is -1, expected a whole number from 1 to 2147483647`},
		{"once", `{"set":{"key":"a"},"onceSeconds":"1"}`, `onceSeconds is "1", expected a whole number from 1 to 2147483647`},
		{"which client", `{"sink":"","set":{"key":"a"}}`, `sink is missing, expected "main" or "other"`},
		{"no such client", `{"sink":"x","set":{"key":"a"}}`, `sink is "x", expected "main" or "other"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			decode := redis.Kinds(one)["redis"]
			if tt.name == "which client" || tt.name == "no such client" || tt.name == "not in this client" {
				decode = redis.Kinds(one, other)["redis"]
			}
			_, err := decode([]byte(tt.json))
			require.EqualError(t, err, tt.want)
		})
	}
	t.Run("in Go", func(t *testing.T) {
		t.Parallel()
		require.EqualError(t, (&redis.Action{Set: &redis.Set{Key: "k"}}).Check(), "redis: the action has no client, expected what Client.Action returns")
		require.EqualError(t, one.Action(redis.Action{Set: &redis.Set{}}).Check(), "set.key is missing, expected a text")
		require.EqualError(t, one.Action(redis.Action{Set: &redis.Set{Key: "k"}, OnceSeconds: -1}).Check(), "onceSeconds is -1, expected a whole number from 1 to 2147483647")
		bad := one.Action(redis.Action{Set: &redis.Set{}})
		require.ErrorIs(t, bad.Do(t.Context(), event("a")), actions.ErrPermanent)
		require.Empty(t, bad.Params())
		require.Empty(t, bad.Resource(event("a")))
	})
	t.Run("allowed", func(t *testing.T) {
		t.Parallel()
		_, err := redis.Kinds(one, other)["redis"]([]byte(`{"sink":"other","command":["FlushDB"]}`))
		require.NoError(t, err)
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, err := redis.Kinds()["redis"]([]byte(`{"set":{"key":"a"}}`))
	require.EqualError(t, err, "the host has no client for this action")
	_, err = redis.Open(redis.Config{})
	require.EqualError(t, err, "redis: Config.Options.Addrs is empty, expected the address of a server")
	_, err = redis.Open(redis.Config{Options: goredis.UniversalOptions{Addrs: []string{"a:1"}}, Allow: []string{"subscribe"}})
	require.EqualError(t, err, "redis: Config.Allow has SUBSCRIBE, which cannot be used: it changes the connection, which others share")
}

func TestParamsAndResource(t *testing.T) {
	t.Parallel()
	c := open(t, "127.0.0.1:1", nil)
	for _, tt := range []struct {
		name     string
		action   redis.Action
		params   []actions.Param
		rendered []string
		resource string
	}{
		{"fixed", redis.Action{Command: []string{"INCR", "n"}}, nil, nil, "n"},
		{
			"templates",
			redis.Action{Command: []string{"SET", "k:${a}", "$payload", "EX", "${b}"}},
			[]actions.Param{{Name: "command[1]", Text: "k:${a}"}, {Name: "command[4]", Text: "${b}"}},
			[]string{"k:1", "2"},
			"k:1",
		},
		{
			"stream",
			redis.Action{Stream: &redis.Stream{Key: "s${a}", ID: "${b}", Fields: map[string]string{"y": "${c}", "x": "1"}}},
			[]actions.Param{{Name: "stream.key", Text: "s${a}"}, {Name: "stream.id", Text: "${b}", Optional: true}, {Name: "stream.fields.y", Text: "${c}", Optional: true}},
			[]string{"s1", "", ""},
			"s1",
		},
		{"not rendered", redis.Action{Publish: &redis.Publish{Channel: "${a}"}}, []actions.Param{{Name: "publish.channel", Text: "${a}"}}, nil, "PUBLISH"},
		{"lpush", redis.Action{LPush: &redis.LPush{Key: "l", MaxLen: 3}}, nil, nil, "l"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := bind(t, c, tt.action)
			require.Equal(t, tt.params, a.Params())
			require.Equal(t, tt.resource, a.Resource(event("", tt.rendered...)))
			require.Equal(t, "redis", a.Kind())
			require.Same(t, c.Sink(), a.Sink())
		})
	}
}
