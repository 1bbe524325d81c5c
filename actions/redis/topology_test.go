package redis_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/redis"
	"github.com/thinghub/thinghub/internal/servertest"
)

// patience bounds how long a test waits for what must happen.
const patience = time.Minute

func until(t *testing.T, what string, happened func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = happened(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// deliver writes events until they are written, as the engine does: what failed in passing
// comes again, before what is later.
func deliver(t *testing.T, a *redis.Action, evs []actions.Event) {
	t.Helper()
	until(t, "the events are written", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var rest []actions.Event
		var last error
		for i, err := range a.DoBatch(ctx, evs) {
			if err != nil {
				require.NotErrorIs(t, err, actions.ErrPermanent)
				rest, last = append(rest, evs[i]), err
			}
		}
		evs = rest
		return last
	})
}

// distinct drops what is there again.
func distinct(list []string) (once []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s], once = true, append(once, s)
		}
	}
	return once
}

// TestRestart checks a server that ends and comes back with its data.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := []string{"--appendonly", "yes", "--appendfsync", "always"}
	addr, s, err := servertest.RunRedis(dir, keep...)
	require.NoError(t, err)
	t.Cleanup(func() { s.Kill() })
	a := bind(t, open(t, addr, nil), redis.Action{Stream: &redis.Stream{Key: "s"}, OnceSeconds: 100})
	evs := []actions.Event{event("0"), event("1"), event("2")}
	deliver(t, a, evs)
	s.Kill()
	evs = append(evs[1:], event("3")) // the answers to two of them were lost
	for _, err := range a.DoBatch(t.Context(), evs) {
		require.Error(t, err)
		require.NotErrorIs(t, err, actions.ErrPermanent)
	}
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	s, err = servertest.RunRedisOn(dir, n, keep...)
	require.NoError(t, err)
	deliver(t, a, evs)
	require.Equal(t, []string{"0", "1", "2", "3"}, payloads(t, reader(t, addr), "s"))
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(args ...string) (string, *servertest.Server) {
		addr, s, err := servertest.RunRedis(dir, append(args, "--repl-diskless-sync-delay", "0")...)
		require.NoError(t, err)
		t.Cleanup(s.Kill)
		return addr, s
	}
	master, server := run()
	host, port, err := net.SplitHostPort(master)
	require.NoError(t, err)
	replica, _ := run("--replicaof", host+" "+port)
	ofReplica := reader(t, replica)
	until(t, "the replica follows", func() error {
		info := ofReplica.InfoMap(t.Context(), "replication").Val()["Replication"]
		if info["master_link_status"] != "up" {
			return fmt.Errorf("%v", info)
		}
		return nil
	})
	sentinel, s, err := servertest.RunSentinel(dir, "mine", master)
	require.NoError(t, err)
	t.Cleanup(s.Kill)
	ofSentinel := goredis.NewSentinelClient(&goredis.Options{Addr: sentinel})
	defer ofSentinel.Close()
	until(t, "the sentinel knows the replica", func() error {
		list, err := ofSentinel.Replicas(t.Context(), "mine").Result()
		if err == nil && (len(list) != 1 || list[0]["flags"] != "slave" || list[0]["master-link-status"] != "ok") {
			err = fmt.Errorf("%v", list)
		}
		return err
	})

	c := open(t, sentinel, func(c *redis.Config) { c.Options.MasterName = "mine" })
	a := bind(t, c, redis.Action{Stream: &redis.Stream{Key: "s"}})
	var want []string
	batch := func(n int) (evs []actions.Event) {
		for range n {
			text := fmt.Sprint(len(want))
			want, evs = append(want, text), append(evs, event(text))
		}
		return evs
	}
	deliver(t, a, batch(3))
	require.NoError(t, reader(t, master).Wait(t.Context(), 1, 10*time.Second).Err()) // the replica has them
	server.Kill()
	for range 5 {
		deliver(t, a, batch(3))
	}
	require.Equal(t, want, distinct(payloads(t, ofReplica, "s")))
}

// cluster starts n masters that share the slots evenly.
func cluster(t *testing.T, n int) (addrs []string, servers []*servertest.Server) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		bus, err := servertest.Port()
		require.NoError(t, err)
		addr, s, err := servertest.RunRedis(dir, "--cluster-enabled", "yes", "--cluster-config-file", filepath.Join(dir, fmt.Sprintf("nodes-%d.conf", i)),
			"--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no")
		require.NoError(t, err)
		t.Cleanup(s.Kill)
		addrs, servers = append(addrs, addr), append(servers, s)
		db := reader(t, addr)
		require.NoError(t, db.ClusterAddSlotsRange(t.Context(), i*16384/n, (i+1)*16384/n-1).Err())
		require.NoError(t, db.Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		if i > 0 {
			host, port, err := net.SplitHostPort(addrs[0])
			require.NoError(t, err)
			first := reader(t, addrs[0]).Do(t.Context(), "CONFIG", "GET", "cluster-port").Val().(map[any]any)["cluster-port"]
			require.NoError(t, db.Do(t.Context(), "CLUSTER", "MEET", host, port, first).Err())
		}
	}
	for _, addr := range addrs {
		db := reader(t, addr)
		until(t, "the cluster is complete", func() error {
			info, err := db.ClusterInfo(t.Context()).Result()
			shards, _ := db.ClusterShards(t.Context()).Result()
			if err == nil && (len(shards) != n || !strings.Contains(info, "cluster_state:ok")) {
				err = fmt.Errorf("%d shards: %s", len(shards), info)
			}
			return err
		})
	}
	return addrs, servers
}

func TestCluster(t *testing.T) {
	t.Parallel()
	addrs, servers := cluster(t, 3)
	c := open(t, addrs[0], func(c *redis.Config) { c.Options.IsClusterMode = true })
	ctx := t.Context()
	db := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: addrs})
	defer db.Close()
	const keys = 40

	want := map[string][]string{}
	batch := func(keys ...string) (evs []actions.Event) {
		for i := range 3 {
			for _, k := range keys {
				text := fmt.Sprintf("%s %d %d", k, len(want[k]), i)
				want[k], evs = append(want[k], text), append(evs, event(text, k))
			}
		}
		return evs
	}
	var all []string
	for i := range keys {
		all = append(all, fmt.Sprintf("s%d", i))
	}
	arrived := func(t *testing.T, keys []string) {
		t.Helper()
		for _, k := range keys {
			require.Equal(t, want[k], payloads(t, db, k), k)
		}
	}
	a := bind(t, c, redis.Action{Stream: &redis.Stream{Key: "${k}"}, OnceSeconds: 100})

	t.Run("all slots", func(t *testing.T) {
		for range 3 {
			evs := batch(all...)
			for _, err := range a.DoBatch(ctx, evs) {
				require.NoError(t, err)
			}
			deliver(t, a, evs) // again, which the server knows
		}
		arrived(t, all)
	})
	t.Run("plain commands", func(t *testing.T) {
		set := bind(t, c, redis.Action{Set: &redis.Set{Key: "plain:${k}"}})
		var evs []actions.Event
		for i := range 200 {
			evs = append(evs, event(strconv.Itoa(i), fmt.Sprintf("plain:%d", i%20)))
		}
		for _, err := range set.DoBatch(ctx, evs) {
			require.NoError(t, err)
		}
		for i := range 20 {
			require.Equal(t, strconv.Itoa(180+i), db.Get(ctx, fmt.Sprintf("plain:%d", i)).Val())
		}
	})
	t.Run("poison", func(t *testing.T) {
		require.NoError(t, db.Set(ctx, "text", "x", 0).Err())
		evs := append(batch("s1", "s2"), event("x", "text"), event("y", "text"))
		for i, err := range a.DoBatch(ctx, append(evs, batch("s1", "s2")...)) {
			if i == 6 || i == 7 {
				require.ErrorIs(t, err, actions.ErrPermanent)
				require.ErrorContains(t, err, "WRONGTYPE")
				continue
			}
			require.NoError(t, err)
		}
		arrived(t, all)
	})
	t.Run("channel", func(t *testing.T) {
		// Messages of a channel keep their order, wherever its subscribers are.
		for i, addr := range addrs {
			sub := reader(t, addr).Subscribe(ctx, "c")
			defer sub.Close()
			_, err := sub.Receive(ctx)
			require.NoError(t, err)
			p := bind(t, c, redis.Action{Publish: &redis.Publish{Channel: "c"}})
			var evs []actions.Event
			for j := range 50 {
				evs = append(evs, event(fmt.Sprint(i, j)))
			}
			deliver(t, p, evs[:20])
			deliver(t, p, evs[20:])
			for j := range 50 {
				m, err := sub.ReceiveMessage(ctx)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(i, j), m.Payload)
			}
		}
	})
	t.Run("slots that move", func(t *testing.T) {
		// The slot of a key is on its way from one node to another: ASK, then MOVED.
		const key = "s3"
		plain := bind(t, c, redis.Action{Stream: &redis.Stream{Key: "${k}"}})
		at := func(addr string) *goredis.Client { return reader(t, addr) }
		slot := db.ClusterKeySlot(ctx, key).Val()
		from := int(slot) * 3 / 16384
		to := (from + 1) % 3
		id := func(i int) string { return at(addrs[i]).Do(ctx, "CLUSTER", "MYID").Val().(string) }
		require.NoError(t, at(addrs[to]).Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", id(from)).Err())
		require.NoError(t, at(addrs[from]).Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", id(to)).Err())
		deliver(t, plain, batch(key, "s4")) // still there
		host, port, err := net.SplitHostPort(addrs[to])
		require.NoError(t, err)
		for {
			moving, err := at(addrs[from]).ClusterGetKeysInSlot(ctx, int(slot), 100).Result()
			require.NoError(t, err)
			if len(moving) == 0 {
				break
			}
			for _, k := range moving {
				require.NoError(t, at(addrs[from]).Migrate(ctx, host, port, k, 0, 10*time.Second).Err())
			}
		}
		deliver(t, plain, batch(key, "s4")) // ASK
		// A command with a key that is not there yet waits until all have moved.
		waiting := batch(key)
		for _, err := range a.DoBatch(ctx, waiting) {
			require.ErrorContains(t, err, "TRYAGAIN")
			require.NotErrorIs(t, err, actions.ErrPermanent)
		}
		for _, i := range []int{to, from, 3 - to - from} {
			require.NoError(t, at(addrs[i]).Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", id(to)).Err())
		}
		deliver(t, a, append(waiting, batch(key, "s4")...)) // MOVED
		arrived(t, all)
	})
	t.Run("a node is down", func(t *testing.T) {
		lost := map[string]bool{}
		for _, k := range all {
			node, err := db.MasterForKey(ctx, k)
			require.NoError(t, err)
			lost[k] = node.Options().Addr == addrs[2]
		}
		servers[2].Kill()
		evs := batch(all...)
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		for i, err := range a.DoBatch(ctx, evs) {
			if !lost[evs[i].Params[0]] {
				require.NoError(t, err)
				continue
			}
			require.Error(t, err)
			require.NotErrorIs(t, err, actions.ErrPermanent)
		}
		for _, k := range all {
			if !lost[k] {
				arrived(t, []string{k})
			}
		}
	})
}
