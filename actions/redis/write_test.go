package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/redis"
	"github.com/thinghub/thinghub/internal/servertest"
	"github.com/thinghub/thinghub/rules"
)

func TestForms(t *testing.T) {
	t.Parallel()
	addr := servertest.Redis(t)
	c, db := open(t, addr, nil), reader(t, addr)
	ctx := t.Context()
	do := func(t *testing.T, a redis.Action, evs ...actions.Event) {
		t.Helper()
		for i, err := range bind(t, c, a).DoBatch(ctx, evs) {
			require.NoError(t, err, "event %d", i)
		}
	}

	t.Run("command", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		do(t, redis.Action{Command: []string{"xadd", k, "*", "payload", "$payload", "by", "${clientid()}"}}, event("1", "a b\r\nFLUSHALL\r\n"), event("2", "\x00\xff"))
		entries, err := db.XRange(ctx, k, "-", "+").Result()
		require.NoError(t, err)
		require.Len(t, entries, 2)
		require.Equal(t, map[string]any{"payload": "1", "by": "a b\r\nFLUSHALL\r\n"}, entries[0].Values)
		require.Equal(t, map[string]any{"payload": "2", "by": "\x00\xff"}, entries[1].Values)
	})
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		a := redis.Action{Stream: &redis.Stream{Key: k, ID: "${id}", MaxLen: 3, Exact: true}}
		do(t, a, event("1", "1-1"), event("2", "1-2"), event("3", "2-0"), event("4", ""))
		entries, err := db.XRange(ctx, k, "-", "+").Result()
		require.NoError(t, err)
		require.Len(t, entries, 3)
		require.Equal(t, "1-2", entries[0].ID)
		require.Equal(t, []string{"2", "3", "4"}, payloads(t, db, k))
	})
	t.Run("stream about a length", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		for range 5 {
			evs := make([]actions.Event, 200)
			for i := range evs {
				evs[i] = event(fmt.Sprint(i))
			}
			do(t, redis.Action{Stream: &redis.Stream{Key: k, MaxLen: 100}}, evs...)
		}
		n, err := db.XLen(ctx, k).Result()
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, int64(100))
		require.Less(t, n, int64(400))
	})
	t.Run("stream with fields", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		a := redis.Action{Stream: &redis.Stream{Key: k, Fields: map[string]string{"t": "${temp}", "u": "C", "p": redis.Payload}}}
		do(t, a, event("1", "20"), event("2", ""))
		entries, err := db.XRange(ctx, k, "-", "+").Result()
		require.NoError(t, err)
		require.Equal(t, map[string]any{"t": "20", "u": "C", "p": "1"}, entries[0].Values)
		require.Equal(t, map[string]any{"u": "C", "p": "2"}, entries[1].Values)
	})
	t.Run("set", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		do(t, redis.Action{Set: &redis.Set{Key: "${k}", ExpireSeconds: 100}}, event("1", k), event("2", k), event("3", k+"x"))
		require.Equal(t, "2", db.Get(ctx, k).Val())
		require.Equal(t, "3", db.Get(ctx, k+"x").Val())
		require.Greater(t, db.TTL(ctx, k).Val(), 90*time.Second)
		do(t, redis.Action{Command: []string{"SET", k, "$payload", "NX"}}, event("4"), event("5")) // nothing is set, which is no error
		require.Equal(t, "2", db.Get(ctx, k).Val())
	})
	t.Run("hset", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		a := redis.Action{HSet: &redis.HSet{Key: k, ExpireSeconds: 100}}
		do(t, a, event(`{"a":1.50,"b":"x\ny","c":true,"d":{"e":[1]},"f":null}`), event(`{"a":2}`))
		require.Equal(t, map[string]string{"a": "2", "b": "x\ny", "c": "true", "d": `{"e":[1]}`}, db.HGetAll(ctx, k).Val())
		require.Greater(t, db.TTL(ctx, k).Val(), 90*time.Second)
		do(t, redis.Action{HSet: &redis.HSet{Key: k, Fields: map[string]string{"a": "${a}", "z": "1"}}}, event("", "9"), event("", ""))
		require.Equal(t, map[string]string{"a": "9", "b": "x\ny", "c": "true", "d": `{"e":[1]}`, "z": "1"}, db.HGetAll(ctx, k).Val())
	})
	t.Run("hset of what has no members", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		errs := bind(t, c, redis.Action{HSet: &redis.HSet{Key: k}}).DoBatch(ctx, []actions.Event{event(`[1]`), event(`{"a":1}`), event(`{}`), event(`{"a":`), event(`{"b":2}`)})
		require.EqualError(t, errs[0], "redis: the payload is not a JSON object, which has members to set")
		require.EqualError(t, errs[2], "redis: no field has a value for this message")
		require.ErrorContains(t, errs[3], "redis: the payload: ")
		for _, i := range []int{0, 2, 3} {
			require.ErrorIs(t, errs[i], actions.ErrPermanent)
		}
		require.NoError(t, errs[1])
		require.NoError(t, errs[4])
		require.Equal(t, map[string]string{"a": "1", "b": "2"}, db.HGetAll(ctx, k).Val())
	})
	t.Run("lpush", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		do(t, redis.Action{LPush: &redis.LPush{Key: k, MaxLen: 2, ExpireSeconds: 100}}, event("1"), event("2"), event("3"))
		require.Equal(t, []string{"3", "2"}, db.LRange(ctx, k, 0, -1).Val())
		require.Greater(t, db.TTL(ctx, k).Val(), 90*time.Second)
	})
	t.Run("publish", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		sub := db.Subscribe(ctx, k)
		defer sub.Close()
		_, err := sub.Receive(ctx)
		require.NoError(t, err)
		do(t, redis.Action{Publish: &redis.Publish{Channel: k}}, event("1"), event("2"))
		do(t, redis.Action{Publish: &redis.Publish{Channel: "${a}", Message: "<${b}>"}}, event("", k, "<3>"))
		for _, want := range []string{"1", "2", "<3>"} {
			m, err := sub.ReceiveMessage(ctx)
			require.NoError(t, err)
			require.Equal(t, want, m.Payload)
		}
	})
	t.Run("sharded publish", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		sub := db.SSubscribe(ctx, k)
		defer sub.Close()
		_, err := sub.Receive(ctx)
		require.NoError(t, err)
		do(t, redis.Action{Publish: &redis.Publish{Channel: k, Sharded: true}}, event("1"))
		m, err := sub.ReceiveMessage(ctx)
		require.NoError(t, err)
		require.Equal(t, "1", m.Payload)
	})
}

func TestOnce(t *testing.T) {
	t.Parallel()
	addr := servertest.Redis(t)
	c, db := open(t, addr, nil), reader(t, addr)
	for _, key := range []string{"plain", "a{tag}b", "{}x", "a}b"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			k := name(t)
			a := bind(t, c, redis.Action{Stream: &redis.Stream{Key: k}, OnceSeconds: 100})
			evs := []actions.Event{event("1"), event("2"), event("1"), event("3")} // the third is the first again
			for i := range evs {
				evs[i].Rule = k // the memory of this run
			}
			for _, err := range a.DoBatch(t.Context(), evs) {
				require.NoError(t, err)
			}
			evs[1].Attempt = 2
			require.NoError(t, a.Do(t.Context(), evs[1]))
			require.Equal(t, []string{"1", "2", "3"}, payloads(t, db, k))
			evs[1].Action = 1 // another action of the rule
			require.NoError(t, a.Do(t.Context(), evs[1]))
			require.Equal(t, []string{"1", "2", "3", "2"}, payloads(t, db, k))
		})
	}
	keys, err := db.Keys(t.Context(), "thinghub:once:*").Result()
	require.NoError(t, err)
	for _, k := range keys {
		require.Positive(t, db.TTL(t.Context(), k).Val(), k)
	}
	t.Run("pushes", func(t *testing.T) {
		t.Parallel()
		k := name(t)
		a := bind(t, c, redis.Action{LPush: &redis.LPush{Key: k, MaxLen: 2}, OnceSeconds: 100})
		for _, p := range []string{"1", "2", "2", "3", "1"} {
			require.NoError(t, a.Do(t.Context(), event(p)))
		}
		require.Equal(t, []string{"3", "2"}, db.LRange(t.Context(), k, 0, -1).Val())
	})
}

// TestPoison checks that commands which the server refuses, when they are queued or when
// they are done, hold up nothing else of the batch.
func TestPoison(t *testing.T) {
	t.Parallel()
	addr := servertest.Redis(t)
	c, db := open(t, addr, nil), reader(t, addr)
	ctx := t.Context()
	k := name(t)
	require.NoError(t, db.Set(ctx, k+"text", "x", 0).Err())
	t.Run("done", func(t *testing.T) {
		a := bind(t, c, redis.Action{Stream: &redis.Stream{Key: k + "${a}"}})
		errs := a.DoBatch(ctx, []actions.Event{event("1", k), event("2", k+"text"), event("3", k), event("4", k+"text"), event("5", k)})
		for i, err := range errs {
			if i%2 == 0 {
				require.NoError(t, err)
				continue
			}
			require.EqualError(t, err, "redis: WRONGTYPE Operation against a key holding the wrong kind of value")
			require.ErrorIs(t, err, actions.ErrPermanent)
		}
		require.Equal(t, []string{"1", "3", "5"}, payloads(t, db, k))
	})
	t.Run("queued", func(t *testing.T) {
		// SET without a value is refused at once, and the transaction with it. The words
		// of one action are always as many, so only an unknown command does this.
		none := bind(t, open(t, addr, func(c *redis.Config) { c.Allow = []string{"nosuch"} }), redis.Action{Command: []string{"NOSUCH", k}})
		for _, err := range none.DoBatch(ctx, []actions.Event{event("1"), event("2"), event("3")}) {
			require.ErrorContains(t, err, "redis: ERR unknown command 'NOSUCH'")
			require.ErrorIs(t, err, actions.ErrPermanent)
		}
	})
	t.Run("script", func(t *testing.T) {
		a := bind(t, c, redis.Action{HSet: &redis.HSet{Key: k + "${a}", ExpireSeconds: 100}})
		errs := a.DoBatch(ctx, []actions.Event{event(`{"a":1}`, k+"hash"), event(`{"a":1}`, k+"text"), event(`{"b":1}`, k+"hash")})
		require.NoError(t, errs[0])
		require.ErrorContains(t, errs[1], "redis: WRONGTYPE")
		require.ErrorIs(t, errs[1], actions.ErrPermanent)
		require.NoError(t, errs[2])
		require.Equal(t, map[string]string{"a": "1", "b": "1"}, db.HGetAll(ctx, k+"hash").Val())
		require.Equal(t, time.Duration(-1), db.TTL(ctx, k+"text").Val(), "a key that is none of the action's got an end")
	})
}

// own starts a server for one test.
func own(t *testing.T, args ...string) (addr string, db *goredis.Client) {
	t.Helper()
	addr, s, err := servertest.RunRedis(t.TempDir(), args...)
	require.NoError(t, err)
	t.Cleanup(s.Kill)
	return addr, reader(t, addr)
}

// TestPassing checks that a batch is done as a whole or not at all when the server has
// troubles of its own.
func TestPassing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, code string
		on, off    []any
	}{
		{"no memory", "OOM", []any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}},
		{"no replicas", "NOREPLICAS", []any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"}},
		{"a replica", "READONLY", []any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, db := own(t)
			c := open(t, addr, nil)
			ctx := t.Context()
			for i, a := range []*redis.Action{
				bind(t, c, redis.Action{Stream: &redis.Stream{Key: "plain"}}),
				bind(t, c, redis.Action{Stream: &redis.Stream{Key: "once"}, OnceSeconds: 100}),
			} {
				for _, n := range []int{1, 3} {
					var evs []actions.Event
					for j := range n {
						evs = append(evs, event(fmt.Sprint(n, j)))
					}
					require.NoError(t, db.Do(ctx, tt.on...).Err())
					for _, err := range a.DoBatch(ctx, evs) {
						require.Error(t, err)
						require.NotErrorIs(t, err, actions.ErrPermanent)
						require.ErrorContains(t, err, tt.code)
					}
					require.NoError(t, db.Do(ctx, tt.off...).Err())
					for _, err := range a.DoBatch(ctx, evs) {
						require.NoError(t, err)
					}
				}
				require.Equal(t, []string{"1 0", "3 0", "3 1", "3 2"}, payloads(t, db, []string{"plain", "once"}[i]))
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	addr, db := own(t)
	for _, command := range []string{
		"ACL SETUSER writer on >wort ~mine:* &mine:* -@all +xadd +set +multi +exec +publish",
		"ACL SETUSER single on >wort ~a -@all +set",
		"CONFIG SET requirepass geheim",
	} {
		var words []any
		for w := range strings.FieldsSeq(command) {
			words = append(words, w)
		}
		require.NoError(t, db.Do(t.Context(), words...).Err())
	}
	for _, tt := range []struct {
		name           string
		user, password string
		action         redis.Action
		permanent      bool
		want           string
	}{
		{"no password", "", "", redis.Action{Set: &redis.Set{Key: "a"}}, false, "NOAUTH"},
		{"wrong password", "", "falsch", redis.Action{Set: &redis.Set{Key: "a"}}, false, "WRONGPASS"},
		{"password", "", "geheim", redis.Action{Set: &redis.Set{Key: "a"}}, false, ""},
		{"may", "writer", "wort", redis.Action{Stream: &redis.Stream{Key: "mine:a"}}, false, ""},
		{"may once", "writer", "wort", redis.Action{Set: &redis.Set{Key: "mine:b"}}, false, ""},
		{"command of the rule", "writer", "wort", redis.Action{Command: []string{"INCR", "mine:${a}"}}, false, "NOPERM"},
		{"key of the rule", "writer", "wort", redis.Action{Set: &redis.Set{Key: "other"}}, false, "NOPERM"},
		{"key of the event", "writer", "wort", redis.Action{Set: &redis.Set{Key: "${a}"}}, true, "NOPERM"},
		{"channel of the rule", "writer", "wort", redis.Action{Publish: &redis.Publish{Channel: "other"}}, false, "NOPERM"},
		{"channel of the event", "writer", "wort", redis.Action{Publish: &redis.Publish{Channel: "${a}"}}, true, "NOPERM"},
		{"no transactions", "single", "wort", redis.Action{Set: &redis.Set{Key: "a"}}, false, ""},
		{"no transactions and a key of the event", "single", "wort", redis.Action{Set: &redis.Set{Key: "${a}"}}, true, "NOPERM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, addr, func(c *redis.Config) {
				c.Options.Username, c.Options.Password = tt.user, tt.password
				c.Options.PoolSize = 1
			})
			a := bind(t, c, tt.action)
			for _, n := range []int{1, 2, 3} { // the connection is used again
				evs := []actions.Event{event("1", "other"), event("2", "other"), event("3", "other")}[:n]
				for _, err := range a.DoBatch(t.Context(), evs) {
					if tt.want == "" {
						require.NoError(t, err)
						continue
					}
					require.ErrorContains(t, err, tt.want)
					require.Equal(t, tt.permanent, errors.Is(err, actions.ErrPermanent), err)
					if tt.password != "" {
						require.NotContains(t, err.Error(), tt.password)
					}
				}
			}
		})
	}
}

// TestNobodyThere checks errors without a server.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	port, err := servertest.Port()
	require.NoError(t, err)
	c := open(t, servertest.Addr(port), nil)
	a := bind(t, c, redis.Action{Set: &redis.Set{Key: "a"}})
	for _, evs := range [][]actions.Event{{event("1")}, {event("1"), event("2")}} {
		for _, err := range a.DoBatch(t.Context(), evs) {
			require.ErrorContains(t, err, "redis: ")
			require.NotErrorIs(t, err, actions.ErrPermanent)
		}
	}
	require.NoError(t, c.Close())
	require.Error(t, a.Do(t.Context(), event("1")))
}

// TestTemplates checks, through the engine, how texts become words.
func TestTemplates(t *testing.T) {
	t.Parallel()
	addr := servertest.Redis(t)
	c, db := open(t, addr, nil), reader(t, addr)
	s, err := rules.New(rules.Config{Kinds: redis.Kinds(c), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = s.Run(ctx) }()
	k := name(t)
	rule, err := s.DecodeRule("words", fmt.Appendf(nil, `{"sql": "SELECT a FROM 't'", "awsIotSqlVersion": "2016-03-23", "actions": [
		{"redis": {"command": ["RPUSH", "%[1]s:words", "$payload", "${'$payload'}", "a ${b} c"]}},
		{"redis": {"command": ["SET", "%[1]s:${b}", "${missing}"]}}
	], "errorAction": {"redis": {"set": {"key": "%[1]s:report"}}}}`, k))
	require.NoError(t, err)
	require.NoError(t, s.Put(ctx, rule))
	require.NoError(t, s.Submit(ctx, &actions.Message{Topic: "t", Payload: []byte(`{"a":1,"b":"x y\r\nDEL k"}`)}))
	require.NoError(t, s.Shutdown(ctx))
	require.Equal(t, []string{`{"a":1}`, "$payload", "a x y\r\nDEL k c"}, db.LRange(ctx, k+":words", 0, -1).Val())
	report := db.Get(ctx, k+":report").Val()
	require.Contains(t, report, `"failedAction":"RedisAction"`)
	require.Contains(t, report, `command[2] is empty: \"${missing}\" has no value for this message`)
}

// TestOneByOne checks a server without transactions: what fails in passing holds up what
// is later, what fails for good does not.
func TestOneByOne(t *testing.T) {
	t.Parallel()
	addr, db := own(t)
	ctx := t.Context()
	require.NoError(t, db.Do(ctx, "ACL", "SETUSER", "single", "on", "nopass", "~*", "+@all", "-multi").Err())
	c := open(t, addr, func(c *redis.Config) { c.Options.Username, c.Options.Password = "single", "any" })
	a := bind(t, c, redis.Action{Stream: &redis.Stream{Key: "${k}"}})
	require.NoError(t, db.Set(ctx, "text", "x", 0).Err())
	warm := []actions.Event{event("0", "other"), event("0", "other")}
	for _, err := range a.DoBatch(ctx, warm) {
		require.NoError(t, err)
	}
	errs := a.DoBatch(ctx, []actions.Event{event("1", "s"), event("2", "text"), event("3", "s")})
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], actions.ErrPermanent)
	require.NoError(t, errs[2])
	require.NoError(t, db.ConfigSet(ctx, "maxmemory", "1").Err())
	for _, err := range a.DoBatch(ctx, []actions.Event{event("4", "s"), event("5", "s")}) {
		require.ErrorContains(t, err, "OOM")
		require.NotErrorIs(t, err, actions.ErrPermanent)
	}
	require.NoError(t, db.ConfigSet(ctx, "maxmemory", "0").Err())
	require.Equal(t, []string{"1", "3"}, payloads(t, db, "s"))
}
