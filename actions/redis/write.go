package redis

import (
	"context"
	"slices"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// A todo is the command of an event and where its error goes.
type todo struct {
	words  []any
	err    *error
	chosen bool // the event chose the key
}

// mostNodes bounds how many transactions of a batch are under way in a cluster.
const mostNodes = 8

// write does commands in their order: those of one hash slot, if it is a cluster.
func (c *Client) write(ctx context.Context, list []todo) {
	cluster, ok := c.db.(*goredis.ClusterClient)
	if !ok {
		c.transact(ctx, c.db, list)
		return
	}
	var order []int
	groups := map[int][]todo{}
	for _, t := range list {
		s := slot(keyOf(t.words))
		if strings.EqualFold(text(t.words[0]), "PUBLISH") {
			s += slots // a group of its own, because it goes to a node, not to a slot
		}
		if groups[s] == nil {
			order = append(order, s)
		}
		groups[s] = append(groups[s], t)
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, mostNodes)
	for _, s := range order {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			group := groups[s]
			if s < slots {
				c.transact(ctx, cluster, group)
				return
			}
			// Any node takes it and tells the others. It is the same node as long as the
			// cluster stays the same, so that the messages of a channel keep their order.
			node, err := cluster.MasterForKey(ctx, keyOf(group[0].words))
			if err != nil {
				fail(group, err)
				return
			}
			c.transact(ctx, node, group)
		})
	}
	wg.Wait()
}

func fail(list []todo, err error) {
	for _, t := range list {
		*t.err = judge(err, t.chosen)
	}
}

// transact does commands in one transaction. If the server refuses to queue some of them
// for good, it has done none, and the others are done without these.
func (c *Client) transact(ctx context.Context, db goredis.UniversalClient, list []todo) {
	for len(list) > 1 && !c.single.Load() {
		pipe := db.TxPipeline()
		cmds := make([]*goredis.Cmd, len(list))
		for i, t := range list {
			cmds[i] = pipe.Do(ctx, t.words...)
		}
		_, err := pipe.Exec(ctx)
		switch {
		case err == nil:
			return
		case !slices.ContainsFunc(cmds, func(c *goredis.Cmd) bool { return c.Err() != nil }):
			fail(list, err) // nothing was sent: the server does not let us in
			return
		case refusesMulti(cmds[0].Err()):
			c.single.Store(true)
		case aborted(cmds):
			list = discarded(list, cmds)
		default:
			for i, t := range list {
				*t.err = judge(cmds[i].Err(), t.chosen)
			}
			return
		}
	}
	for i, t := range list {
		*t.err = judge(db.Do(ctx, t.words...).Err(), t.chosen)
		if *t.err != nil && !isPermanent(*t.err) {
			for _, later := range list[i+1:] { // not before t
				*later.err = *t.err
			}
			return
		}
	}
}

// discarded notes the errors of a transaction that the server has discarded, and returns
// the commands that can be done in another one.
func discarded(list []todo, cmds []*goredis.Cmd) []todo {
	rest := make([]todo, 0, len(list))
	var passing error
	for i, t := range list {
		err := cmds[i].Err()
		if err == nil || goredis.IsExecAbortError(err) {
			rest = append(rest, t)
			continue
		}
		if *t.err = judge(err, t.chosen); !isPermanent(*t.err) {
			passing, rest = *t.err, append(rest, t)
		}
	}
	if passing == nil && len(rest) == len(list) {
		passing = judge(cmds[0].Err(), false)
	}
	if passing == nil {
		return rest
	}
	for _, t := range rest {
		*t.err = passing
	}
	return nil
}
