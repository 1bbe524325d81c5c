//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/thinghub/thinghub/internal/bench/internal/fleet"
	"github.com/thinghub/thinghub/internal/bench/internal/hist"
	"github.com/thinghub/thinghub/internal/bench/internal/mq"
	"github.com/thinghub/thinghub/internal/bench/internal/proc"
)

type pub struct {
	c      *mq.Conn
	idx    int
	topic  func(seq int) []byte
	count  int
	sent   int
	acked  int
	deliv  int
	queued bool
}

type sink struct {
	bm        []uint64
	per       int // messages per publisher
	pub0      int
	npubs     int
	last      []int32
	ordered   bool
	accept    func(pub, seq int) bool
	got       int
	dup       int
	ooo       int
	misrouted int
}

type role struct {
	pub  *pub
	sink *sink
	got  int
}

type bench struct {
	cfg   config
	l     *mq.Loop
	addr  *net.TCPAddr
	res   Result
	h     hist.H
	pubs  []*pub
	ready []*pub
	k     int // deliveries per message, 0 = none awaited
	ver   byte
	qos   byte
	pay   []byte

	stopped  bool
	deliv    int // all deliveries, duplicates included
	progress int64
	closed   int

	dialed  int
	ups     int
	subacks int
	subbad  int
	pings   int
	refused int
	ccode   byte
}

func (b *bench) onPacket(c *mq.Conn, p *mq.Packet) {
	switch p.Type {
	case mq.PUBLISH:
		r, _ := c.Data.(*role)
		b.progress = b.l.Now
		if r == nil || r.sink == nil || len(p.Payload) < 16 {
			b.res.Misrouted++
			return
		}
		pl := p.Payload
		pi := int(le32(pl))
		seq := int(le32(pl[4:]))
		ts := int64(le32(pl[8:])) | int64(le32(pl[12:]))<<32
		r.got++
		if r.sink.take(pi, seq) {
			b.deliv++
			b.h.Add(b.l.Now - ts)
			if b.k > 0 && pi < len(b.pubs) {
				pb := b.pubs[pi]
				pb.deliv++
				b.wake(pb)
			}
		}
		switch p.QoS() {
		case 1:
			b.l.Queue(c, mq.AppendAck(c.Out(), mq.PUBACK, p.ID))
		case 2:
			b.l.Queue(c, mq.AppendAck(c.Out(), mq.PUBREC, p.ID))
		}
	case mq.PUBREL:
		b.l.Queue(c, mq.AppendAck(c.Out(), mq.PUBCOMP, p.ID))
	case mq.PUBREC:
		b.l.Queue(c, mq.AppendAck(c.Out(), mq.PUBREL, p.ID))
	case mq.PUBACK, mq.PUBCOMP:
		if r, _ := c.Data.(*role); r != nil && r.pub != nil {
			r.pub.acked++
			b.progress = b.l.Now
			b.wake(r.pub)
		}
	case mq.CONNACK:
		if p.Code != 0 {
			b.refused++
			b.ccode = p.Code
			return
		}
		c.Up = true
		b.ups++
		b.progress = b.l.Now
	case mq.SUBACK:
		b.subacks++
		for _, k := range p.Codes {
			if k >= 0x80 {
				b.subbad++
			}
		}
		b.progress = b.l.Now
	case mq.PINGRESP:
		b.pings++
	}
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func putLE32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

func newSink(pub0, npubs, per int, ordered bool) *sink {
	s := &sink{per: per, pub0: pub0, npubs: npubs, ordered: ordered, bm: make([]uint64, (npubs*per+63)/64)}
	if ordered {
		s.last = make([]int32, npubs)
		for i := range s.last {
			s.last[i] = -1
		}
	}
	return s
}

func (s *sink) take(pi, seq int) bool {
	i := pi - s.pub0
	if i < 0 || i >= s.npubs || seq >= s.per || (s.accept != nil && !s.accept(pi, seq)) {
		s.misrouted++
		return false
	}
	bit := i*s.per + seq
	if s.bm[bit>>6]&(1<<(bit&63)) != 0 {
		s.dup++
		return false
	}
	s.bm[bit>>6] |= 1 << (bit & 63)
	s.got++
	if s.ordered {
		if int32(seq) < s.last[i] {
			s.ooo++
		} else {
			s.last[i] = int32(seq)
		}
	}
	return true
}

func (b *bench) wake(p *pub) {
	if !p.queued && !b.stopped && p.sent < p.count {
		p.queued = true
		b.ready = append(b.ready, p)
	}
}

func (b *bench) can(p *pub) bool {
	if p.sent >= p.count || b.stopped || p.c.Closed {
		return false
	}
	w := b.cfg.Window
	if b.k > 0 && p.sent*b.k-p.deliv >= w*b.k {
		return false
	}
	if b.qos > 0 && p.sent-p.acked >= w {
		return false
	}
	return p.c.Pending() < 256<<10
}

func (b *bench) send(p *pub, ts int64, retain bool) {
	putLE32(b.pay, uint32(p.idx))
	putLE32(b.pay[4:], uint32(p.sent))
	putLE32(b.pay[8:], uint32(ts))
	putLE32(b.pay[12:], uint32(ts>>32))
	var pid uint16
	if b.qos > 0 {
		pid = p.c.PID()
	}
	b.l.Queue(p.c, mq.AppendPublish(p.c.Out(), b.ver, p.topic(p.sent), b.pay, b.qos, retain, pid))
	p.sent++
}

// pump publishes until all publishers are done and all deliveries have come, or
// the time is over, or nothing moves any more.
func (b *bench) pump(retain bool, expect func() int) {
	start := b.l.Clock()
	b.progress = start
	for _, p := range b.pubs {
		b.wake(p)
	}
	var rr, due int
	interval := 0.0
	total := 0
	for _, p := range b.pubs {
		total += p.count
	}
	if b.cfg.Rate > 0 {
		interval = 1e9 / b.cfg.Rate
	}
	var next []*pub
	for {
		now := b.l.Clock()
		wait := 50 * time.Millisecond
		if !b.stopped && (now-start > int64(b.cfg.Dur)) {
			b.stopped = true
		}
		if interval > 0 {
			for !b.stopped && due < total {
				at := start + int64(float64(due)*interval)
				if at > now {
					wait = time.Duration(at - now)
					break
				}
				p := b.pubs[rr]
				rr = (rr + 1) % len(b.pubs)
				if p.sent < p.count {
					b.send(p, at, retain)
				}
				due++
			}
		} else {
			next, b.ready = b.ready, next[:0]
			for _, p := range next {
				p.queued = false
				for b.can(p) {
					b.send(p, now, retain)
				}
				if !b.stopped && p.sent < p.count && p.c.Pending() >= 256<<10 {
					b.wake(p)
					wait = 0
				}
			}
		}
		if err := b.l.Poll(wait); err != nil {
			b.res.Err = err.Error()
			return
		}
		now = b.l.Clock()
		done := b.stopped
		sent, acked := 0, 0
		if !done || b.qos > 0 {
			done = true
			for _, p := range b.pubs {
				sent += p.sent
				acked += p.acked
				if p.sent < p.count && !b.stopped {
					done = false
					break
				}
			}
		}
		if done && (b.qos == 0 || acked >= sent) && b.deliv >= expect() {
			break
		}
		if now-b.progress > int64(b.cfg.Stall) && (b.cfg.Rate == 0 || done) {
			b.extra("stalled", 1)
			break
		}
		if now-start > int64(b.cfg.Timeout) {
			b.extra("timed_out", 1)
			break
		}
	}
	b.l.Flush()
	b.res.WallS = float64(b.progress-start) / 1e9
}

func (b *bench) extra(k string, v float64) {
	if b.res.Extra == nil {
		b.res.Extra = map[string]float64{}
	}
	b.res.Extra[k] = v
}

// dial opens n connections, at most 200 at once, and waits for the CONNACKs.
func (b *bench) dial(n int, opt func(i int) mq.ConnectOptions) ([]*mq.Conn, error) {
	conns := make([]*mq.Conn, 0, n)
	up0, ref0 := b.ups, b.refused
	closed0 := b.closed
	deadline := b.l.Clock() + int64(b.cfg.Timeout)
	buf := []byte(nil)
	for b.ups-up0 < n {
		for len(conns) < n && len(conns)-(b.ups-up0) < 200 {
			i := len(conns)
			var src net.IP
			if b.cfg.SrcIPs > 1 {
				src = net.IPv4(127, 0, 1, byte(1+i%b.cfg.SrcIPs))
			}
			c, err := b.l.Dial(b.addr, src)
			if err != nil {
				return conns, err
			}
			c.Idx = i
			c.Version = b.ver
			o := opt(i)
			o.Version = b.ver
			o.User, o.Password = b.login(b.dialed)
			b.dialed++
			buf = mq.AppendConnect(buf[:0], o)
			b.l.Queue(c, append(c.Out(), buf...))
			conns = append(conns, c)
		}
		if err := b.l.Poll(20 * time.Millisecond); err != nil {
			return conns, err
		}
		if b.refused > ref0 {
			return conns, fmt.Errorf("CONNACK code %d", b.ccode)
		}
		if b.closed > closed0 {
			return conns, fmt.Errorf("closed before CONNACK")
		}
		if b.l.Clock() > deadline {
			return conns, fmt.Errorf("connect time-out: %d of %d up", b.ups-up0, n)
		}
	}
	return conns, nil
}

// login is the name and the password of the connection that is the n-th to be dialed.
func (b *bench) login(n int) (user, password string) {
	if b.cfg.Logins {
		return fleet.User(n), fleet.Password
	}
	return b.cfg.User, b.cfg.Pass
}

type subReq struct {
	c *mq.Conn
	f []string
}

// subscribe sends one SUBSCRIBE per connection at a time and waits for all.
func (b *bench) subscribe(reqs []subReq, qos byte) error {
	want := b.subacks
	deadline := b.l.Clock() + int64(b.cfg.Timeout)
	batch := b.cfg.Batch
	for left := true; left; {
		left = false
		for i := range reqs {
			r := &reqs[i]
			if len(r.f) == 0 {
				continue
			}
			k := min(batch, len(r.f))
			b.l.Queue(r.c, mq.AppendSubscribe(r.c.Out(), b.ver, r.c.PID(), qos, r.f[:k]))
			r.f = r.f[k:]
			want++
			if len(r.f) > 0 {
				left = true
			}
			for want-b.subacks > 500 {
				if err := b.l.Poll(20 * time.Millisecond); err != nil {
					return err
				}
				if b.l.Clock() > deadline {
					return fmt.Errorf("subscribe time-out")
				}
			}
		}
		for b.subacks < want {
			if err := b.l.Poll(20 * time.Millisecond); err != nil {
				return err
			}
			if b.l.Clock() > deadline {
				return fmt.Errorf("subscribe time-out: %d of %d", b.subacks, want)
			}
			if b.closed > 0 {
				return fmt.Errorf("closed by broker while subscribing")
			}
		}
	}
	if b.subbad > 0 {
		return fmt.Errorf("%d filters refused", b.subbad)
	}
	return nil
}

func (b *bench) sleep(d time.Duration) {
	end := b.l.Clock() + int64(d)
	for {
		left := end - b.l.Clock()
		if left <= 0 {
			return
		}
		_ = b.l.Poll(time.Duration(left))
	}
}

func clean(prefix string) func(i int) mq.ConnectOptions {
	return func(i int) mq.ConnectOptions {
		return mq.ConnectOptions{ClientID: fmt.Sprintf("%s%d", prefix, i), Clean: true, KeepAlive: 600}
	}
}

type meter struct {
	b, l proc.Sample
}

func (b *bench) meter() meter { return meter{proc.Read(b.cfg.PID), proc.Read(os.Getpid())} }

func cpu(a, z proc.Sample) float64 {
	st := z.User + z.Sys - a.User - a.Sys
	ex := z.Exec - a.Exec
	if ex >= st-0.03 {
		return ex
	}
	return st
}

func (b *bench) account(a, z meter, msgs, pubs int) {
	r := &b.res
	r.CPUS = cpu(a.b, z.b)
	r.UserS, r.SysS = z.b.User-a.b.User, z.b.Sys-a.b.Sys
	r.BrokerWait, r.LoadWait = z.b.Wait-a.b.Wait, z.l.Wait-a.l.Wait
	r.RSS1, r.RSS2, r.Peak = a.b.RSS, z.b.RSS, z.b.Peak
	if msgs > 0 {
		r.CPUusPerMsg = r.CPUS * 1e6 / float64(msgs)
		r.LoadCPUusMsg = cpu(a.l, z.l) * 1e6 / float64(msgs)
	}
	if pubs > 0 {
		r.CPUusPerPub = r.CPUS * 1e6 / float64(pubs)
	}
	if r.WallS > 0 {
		r.MsgPerS = float64(msgs) / r.WallS
		r.PubPerS = float64(pubs) / r.WallS
	}
	r.P50us = float64(b.h.Q(.5)) / 1e3
	r.P99us = float64(b.h.Q(.99)) / 1e3
	r.P999us = float64(b.h.Q(.999)) / 1e3
	r.MaxUs = float64(b.h.Max()) / 1e3
}

func (b *bench) tally(sinks []*sink, expected int) {
	r := &b.res
	for _, s := range sinks {
		r.Delivered += s.got
		r.Dup += s.dup
		r.OutOfOrder += s.ooo
		r.Misrouted += s.misrouted
	}
	for _, p := range b.pubs {
		r.Sent += p.sent
		if b.qos > 0 {
			r.Unacked += p.sent - p.acked
		}
	}
	r.Expected = expected
	r.Lost = expected - r.Delivered
	r.Closed = b.closed
}

func (b *bench) sentTotal() int {
	n := 0
	for _, p := range b.pubs {
		n += p.sent
	}
	return n
}

func fixed(t string) func(int) []byte {
	x := []byte(t)
	return func(int) []byte { return x }
}

func (b *bench) addPub(c *mq.Conn, count int, topic func(int) []byte) *pub {
	p := &pub{c: c, idx: len(b.pubs), count: count, topic: topic}
	c.Data = &role{pub: p}
	b.pubs = append(b.pubs, p)
	return p
}

// traffic runs the publish phase with k copies of every message awaited.
func (b *bench) traffic(sinks []*sink, k int) {
	b.k = k
	b.sleep(200 * time.Millisecond)
	runtime.GC()
	m0 := b.meter()
	b.pump(false, func() int { return b.sentTotal() * k })
	m1 := b.meter()
	b.tally(sinks, b.sentTotal()*k)
	b.account(m0, m1, b.res.Delivered, b.res.Sent)
}
