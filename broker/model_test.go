package broker

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// These tests run small parts beside a model that is too simple to be wrong.

func seeded(t *testing.T, seed uint64) *rand.Rand {
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// Packet ids in flight: acknowledged in any order, over several rounds of the id
// space, with some that are never acknowledged.
func TestSession_InFlightModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		rnd := seeded(t, seed)
		s := &session{srv: &Server{}, nextPID: uint16(65000 + rnd.IntN(536))}
		window := []int{1, 3, 40, 400, 2000, 65000}[seed]
		stubborn := rnd.IntN(3)      // the oldest ones stay
		model := map[uint16]uint32{} // id to mark
		var order []uint16
		mark := uint32(0)
		for range 40_000 {
			if len(model) < window && (rnd.IntN(2) == 0 || len(model) == 0) {
				pid := s.nextID()
				require.NotZero(t, pid)
				if _, taken := model[pid]; taken { // require.NotContains would walk the map
					require.Failf(t, "an id in flight was given out", "%d", pid)
				}
				mark++
				s.compact()
				s.inflight.push(flight{pid: pid, issue: s.issued, subID: mark, state: wantPuback, counts: true})
				s.live++
				s.unacked++
				model[pid] = mark
				order = append(order, pid)
				continue
			}
			pid := uint16(rnd.IntN(65536))
			if len(order) > stubborn && rnd.IntN(4) > 0 {
				at := stubborn // in order
				if rnd.IntN(3) == 0 {
					at += rnd.IntN(len(order) - stubborn)
				}
				pid = order[at]
				order = slices.Delete(order, at, at+1)
			} else if _, ok := model[pid]; ok {
				continue
			}
			i := s.find(pid)
			want, ok := model[pid]
			if require.Equal(t, ok, i >= 0, "id %d", pid); !ok {
				continue
			}
			require.Equal(t, want, s.inflight.at(i).subID, "id %d", pid)
			s.complete(i)
			delete(model, pid)
			require.Equal(t, -1, s.find(pid))
		}
		require.Equal(t, len(model), s.live)
		require.Equal(t, len(model), s.unacked)
		require.LessOrEqual(t, s.inflight.len(), 2*max(len(model), window)+64)
		for pid, m := range model {
			require.Equal(t, m, s.inflight.at(s.find(pid)).subID)
		}
	}
}

func TestDeque_Model(t *testing.T) {
	t.Parallel()
	rnd := seeded(t, 1)
	var d deque[int]
	var model []int
	grow := 0
	for i := range 200_000 {
		if i%1000 == 0 {
			grow = rnd.IntN(9) + 1
		}
		switch {
		case rnd.IntN(10) < grow:
			d.push(i)
			model = append(model, i)
		case len(model) > 0:
			require.Equal(t, model[0], d.pop())
			model = model[1:]
		}
		if require.Equal(t, len(model), d.len()); len(model) > 0 {
			at := rnd.IntN(len(model))
			require.Equal(t, model[at], *d.at(at))
		}
	}
	for range model {
		d.pop()
	}
	require.LessOrEqual(t, cap(d.buf), 64, "an empty one gives its memory back")
	for _, v := range d.buf[:cap(d.buf)] {
		require.Zero(t, v, "what was taken out is forgotten")
	}
}

func TestIDSet_Model(t *testing.T) {
	t.Parallel()
	rnd := seeded(t, 1)
	var s idSet
	model := map[uint16]bool{}
	space := 100
	for i := range 200_000 {
		if i%20_000 == 0 {
			space = []int{10, 70, 1000, 65536}[rnd.IntN(4)]
		}
		id := uint16(rnd.IntN(space))
		require.Equal(t, model[id], s.has(id))
		if !model[id] && rnd.IntN(3) > 0 {
			s.add(id)
			model[id] = true
		} else {
			require.Equal(t, model[id], s.remove(id))
			delete(model, id)
		}
		require.Equal(t, len(model), s.len())
	}
	for id := range model {
		require.True(t, s.remove(id))
	}
	require.Nil(t, s.bits)
	require.Zero(t, s.len())
}

// Sessions with several matching subscriptions get a message once, at the highest
// QoS, with all identifiers.
func TestMerger_Model(t *testing.T) {
	t.Parallel()
	rnd := seeded(t, 1)
	var g merger
	sessions := make([]*session, 500)
	for i := range sessions {
		sessions[i] = &session{serial: uint32(i%50) * 2654435761} // with collisions
	}
	for range 500 {
		g.reset()
		type want struct {
			qos    byte
			retain bool
			ids    []uint32
		}
		model := map[*session]*want{}
		m := &Message{QoS: QoS(rnd.IntN(3)), Retain: rnd.IntN(2) == 0}
		for range rnd.IntN(400) {
			sess := sessions[rnd.IntN(1+rnd.IntN(len(sessions)))]
			id, opts := uint32(rnd.IntN(4)), byte(rnd.IntN(3))
			if rnd.IntN(2) == 0 {
				opts |= optRAP
			}
			g.add(sess, m, packOpts(id, opts))
			w := model[sess]
			if w == nil {
				w = &want{}
				model[sess] = w
			}
			w.qos = max(w.qos, min(byte(m.QoS), opts&optQoS))
			w.retain = w.retain || m.Retain && opts&optRAP != 0
			if id > 0 {
				w.ids = append(w.ids, id)
			}
		}
		require.Len(t, g.legs, len(model))
		for _, l := range g.legs {
			w := model[l.sess]
			var ids []uint32
			if l.f.subID != 0 {
				ids = append(ids, l.f.subID)
			}
			if l.f.more != nil {
				ids = append(ids, *l.f.more...)
			}
			require.Equal(t, *w, want{l.f.qos, l.f.retain, ids})
		}
	}
}

// An alarm notes when it was due.
type alarm struct {
	timerNode
	fired chan int64
}

func (a *alarm) due(now int64) { a.fired <- now }

// Alarms that are set, moved and stopped at random go off at their time, once.
func TestTimers_Model(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rnd := seeded(t, 1)
		ts := &timers{wake: make(chan struct{}, 1)}
		start := time.Now()
		clock := func() int64 { return int64(time.Since(start)) + 1 }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			ts.run(ctx, clock, func(t timed, now int64) { t.due(now) })
			close(done)
		}()
		alarms := make([]*alarm, 50)
		model := make([]int64, len(alarms)) // when it is due, 0 for never
		for i := range alarms {
			alarms[i] = &alarm{fired: make(chan int64, 1000)}
		}
		for range 3000 {
			for range rnd.IntN(4) {
				i := rnd.IntN(len(alarms))
				if rnd.IntN(4) == 0 {
					ts.stop(alarms[i])
					model[i] = 0
					continue
				}
				model[i] = clock() + int64(rnd.IntN(1000))*int64(time.Millisecond)
				ts.set(alarms[i], model[i])
			}
			time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
			synctest.Wait()
			now := clock()
			for i, a := range alarms {
				due := model[i] > 0 && model[i] <= now
				require.Equal(t, due, len(a.fired) == 1)
				if due {
					require.Equal(t, model[i], <-a.fired, "exactly then")
					model[i] = 0
				}
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		ts.mu.Lock()
		require.Empty(t, ts.heap)
		ts.mu.Unlock()
		cancel()
		<-done
	})
}
