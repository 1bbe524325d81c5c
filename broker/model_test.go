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
		window := []int{1, 3, 40, 200, 400, 1000}[seed]
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
			if ok != (i >= 0) || ok && s.inflight.at(i).subID != want {
				t.Fatalf("id %d is at %d, want mark %d", pid, i, want)
			}
			if !ok {
				continue
			}
			s.complete(i)
			delete(model, pid)
			if s.find(pid) >= 0 {
				t.Fatalf("id %d was acknowledged and is still found", pid)
			}
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
			if got := d.pop(); got != model[0] {
				t.Fatalf("got %d, want %d", got, model[0])
			}
			model = model[1:]
		}
		at := rnd.IntN(max(1, len(model)))
		if len(model) != d.len() || len(model) > 0 && *d.at(at) != model[at] {
			t.Fatalf("entry %d of %d differs, want %d", at, d.len(), len(model))
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
		has, removed := s.has(id), model[id]
		if has != model[id] {
			t.Fatalf("has %d: %t", id, has)
		}
		if !has && rnd.IntN(3) > 0 {
			s.add(id)
			model[id] = true
		} else {
			removed = s.remove(id)
			delete(model, id)
		}
		if removed != has || s.len() != len(model) {
			t.Fatalf("removed %d: %t; %d ids, want %d", id, removed, s.len(), len(model))
		}
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
