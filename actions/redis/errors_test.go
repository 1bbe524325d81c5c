package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// An answer is an error of a server.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err       error
		chosen    bool
		permanent bool
	}{
		{err: answer("WRONGTYPE Operation against a key holding the wrong kind of value"), permanent: true},
		{err: answer("ERR syntax error"), permanent: true},
		{err: answer("ERR unknown command 'X', with args beginning with: "), permanent: true},
		{err: answer("ERR wrong number of arguments for 'set' command"), permanent: true},
		{err: answer("ERR The ID specified in XADD is equal or smaller than the target stream top item"), permanent: true},
		{err: answer("ERR value is not an integer or out of range"), permanent: true},
		{err: answer("CROSSSLOT Keys in request don't hash to the same slot"), permanent: true},
		{err: answer("TSDB: the key already exists"), permanent: true},
		{err: answer("LOADING Redis is loading the dataset in memory")},
		{err: answer("READONLY You can't write against a read only replica.")},
		{err: answer("OOM command not allowed when used memory > 'maxmemory'.")},
		{err: answer("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")},
		{err: answer("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")},
		{err: answer("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.")},
		{err: answer("NOREPLICAS Not enough good replicas to write.")},
		{err: answer("CLUSTERDOWN The cluster is down")},
		{err: answer("CLUSTERDOWN Hash slot not served")},
		{err: answer("TRYAGAIN Multiple keys request during rehashing of slot")},
		{err: answer("MOVED 1 127.0.0.1:2")},
		{err: answer("ASK 1 127.0.0.1:2")},
		{err: answer("NOAUTH Authentication required.")},
		{err: answer("WRONGPASS invalid username-password pair or user is disabled.")},
		{err: answer("ERR max number of clients reached")},
		{err: answer("EXECABORT Transaction discarded because of: OOM command not allowed")},
		{err: answer("NOPERM this user has no permissions to run the 'set' command"), chosen: true},
		{err: answer("NOPERM this user has no permissions to access one of the keys used as arguments")},
		{err: answer("NOPERM this user has no permissions to access one of the keys used as arguments"), chosen: true, permanent: true},
		{err: answer("NOPERM No permissions to access a channel"), chosen: true, permanent: true},
		{err: answer("OOM command not allowed when used memory > 'maxmemory'. script: 5c..., on @user_script:5.")},
		{err: answer("WRONGTYPE Operation against a key holding the wrong kind of value script: 5c..., on @user_script:5."), permanent: true},
		// A script of version 6.
		{err: answer("ERR Error running script (call to f_5c): @user_script:5: -OOM command not allowed when used memory > 'maxmemory'.")},
		{err: answer("ERR Error running script (call to f_5c): @user_script: 5: -READONLY You can't write against a read only replica.")},
		{err: answer("ERR Error running script (call to f_5c): @user_script:5: WRONGTYPE Operation against a key holding the wrong kind of value"), permanent: true},
		{err: answer("ERR Error running script (call to f_5c): @user_script"), permanent: true},
		{err: io.EOF},
		{err: context.DeadlineExceeded},
		{err: errors.New("dial tcp 127.0.0.1:1: connect: connection refused")},
		{err: goredis.ErrClosed},
		{err: goredis.ErrPoolTimeout},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("wrapped: %w", tt.err)} {
			got := judge(err, tt.chosen)
			require.ErrorIs(t, got, tt.err)
			require.Equal(t, tt.permanent, errors.Is(got, actions.ErrPermanent), err)
			require.Equal(t, !tt.permanent && strings.Contains(err.Error(), "NOPERM"), errors.Is(got, actions.ErrSinkWorks), err)
			require.ErrorContains(t, got, "redis: ")
		}
	}
	require.NoError(t, judge(nil, false))
	require.NoError(t, judge(goredis.Nil, true))
}

// FuzzMembers checks that the words of a hash say what the payload says.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":"b\u0000","a":null,"c":[1,{"d":2}],"":false}`, `[]`, `{"a":1}x`, `{"a"`, `{"\ud800":"\ud800"}`, ` { "a" : -0.0e+5 } `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		words, err := members([]any{"HSET", "key"}, payload)
		if err != nil {
			return
		}
		require.Zero(t, len(words)%2)
		require.Greater(t, len(words), 2)
		require.Equal(t, []any{"HSET", "key"}, words[:2])
		for _, w := range words[2:] {
			switch w.(type) {
			case string, []byte:
			default:
				t.Fatalf("a word is a %T", w)
			}
		}
	})
}

func TestSlot(t *testing.T) {
	t.Parallel()
	// CLUSTER KEYSLOT answers these.
	for key, want := range map[string]int{"": 0, "123456789": 12739, "foo": 12182, "somekey": 11058, "foo{hash_tag}": 2515, "bar{hash_tag}": 2515} {
		require.Equal(t, want, slot(key), key)
	}
	require.NotEqual(t, slot(""), slot("{}foo"))
}

// FuzzTag checks that the key of the memory is in the slot of the key, unless that has a
// brace which no tag can hold.
func FuzzTag(f *testing.F) {
	for _, s := range []string{"", "a", "{a}b", "a{b}c{d}", "{}a", "a}b", "{", "}{", "{a", "{{a}}"} {
		f.Add(s, "id")
	}
	f.Fuzz(func(t *testing.T, key, id string) {
		memory := onceKey(key, id)
		if tag(key) == "" || strings.Contains(tag(key), "}") {
			return
		}
		require.Equal(t, slot(key), slot(memory), "%q %q", key, memory)
	})
}
