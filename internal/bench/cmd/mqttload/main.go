//go:build linux

// Command mqttload loads an MQTT broker with one scenario and prints one JSON
// line with delivery, latency, CPU and memory figures. It runs on one thread.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/thinghub/thinghub/internal/bench/internal/hist"
	"github.com/thinghub/thinghub/internal/bench/internal/mq"
	"github.com/thinghub/thinghub/internal/bench/internal/proc"
)

type config struct {
	Scenario, Addr, Label, Broker, User, Pass string
	PID                                       int
	Version                                   int
	QoS                                       int
	Size                                      int
	Pubs, Subs, Count, Window                 int
	Rate                                      float64
	Dur, Timeout, Stall, Idle, Settle         time.Duration
	KeepAlive                                 int
	Filters, Wide, Batch                      int
	Retained, Queue                           int
	SrcIPs                                    int
	Share                                     string
}

// Result is the JSON line.
type Result struct {
	Broker       string             `json:"broker,omitempty"`
	Label        string             `json:"label"`
	Scenario     string             `json:"scenario"`
	Version      int                `json:"mqtt"`
	QoS          int                `json:"qos"`
	Size         int                `json:"size"`
	Pubs         int                `json:"pubs"`
	Subs         int                `json:"subs"`
	Window       int                `json:"window,omitempty"`
	Sent         int                `json:"sent"`
	Expected     int                `json:"expected"`
	Delivered    int                `json:"delivered"`
	Lost         int                `json:"lost"`
	Dup          int                `json:"dup"`
	OutOfOrder   int                `json:"out_of_order"`
	Misrouted    int                `json:"misrouted"`
	Unacked      int                `json:"unacked"`
	Closed       int                `json:"closed_by_broker"`
	WallS        float64            `json:"wall_s"`
	MsgPerS      float64            `json:"msg_per_s"`
	PubPerS      float64            `json:"pub_per_s"`
	CPUS         float64            `json:"cpu_s"`
	UserS        float64            `json:"user_s"`
	SysS         float64            `json:"sys_s"`
	CPUusPerMsg  float64            `json:"cpu_us_per_msg"`
	CPUusPerPub  float64            `json:"cpu_us_per_pub"`
	RSS0         int64              `json:"rss_start"`
	RSS1         int64              `json:"rss_ready"`
	RSS2         int64              `json:"rss_end"`
	Peak         int64              `json:"rss_peak"`
	P50us        float64            `json:"p50_us"`
	P99us        float64            `json:"p99_us"`
	P999us       float64            `json:"p999_us"`
	MaxUs        float64            `json:"max_us"`
	LoadCPUusMsg float64            `json:"load_cpu_us_per_msg"`
	BrokerWait   float64            `json:"broker_runq_wait_s"`
	LoadWait     float64            `json:"load_runq_wait_s"`
	Load1        float64            `json:"load1"`
	Extra        map[string]float64 `json:"extra,omitempty"`
	Err          string             `json:"error,omitempty"`
}

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
			o.User, o.Password = b.cfg.User, b.cfg.Pass
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

func (b *bench) run() error {
	cfg := &b.cfg
	switch cfg.Scenario {
	case "fanout":
		cs, err := b.dial(cfg.Subs, clean("fs"))
		if err != nil {
			return err
		}
		var sinks []*sink
		var reqs []subReq
		for _, c := range cs {
			s := newSink(0, 1, cfg.Count, true)
			c.Data = &role{sink: s}
			sinks = append(sinks, s)
			reqs = append(reqs, subReq{c, []string{"fan/out/topic"}})
		}
		if err := b.subscribe(reqs, b.qos); err != nil {
			return err
		}
		pc, err := b.dial(1, clean("fp"))
		if err != nil {
			return err
		}
		b.addPub(pc[0], cfg.Count, fixed("fan/out/topic"))
		b.traffic(sinks, cfg.Subs)
	case "fanin":
		cs, err := b.dial(1, clean("is"))
		if err != nil {
			return err
		}
		per := cfg.Count / cfg.Pubs
		s := newSink(0, cfg.Pubs, per, true)
		cs[0].Data = &role{sink: s}
		if err := b.subscribe([]subReq{{cs[0], []string{"fan/in/+/data"}}}, b.qos); err != nil {
			return err
		}
		pc, err := b.dial(cfg.Pubs, clean("ip"))
		if err != nil {
			return err
		}
		for i, c := range pc {
			b.addPub(c, per, fixed(fmt.Sprintf("fan/in/%d/data", i)))
		}
		b.traffic([]*sink{s}, 1)
	case "pairs", "latency":
		n := cfg.Pubs
		cs, err := b.dial(n, clean("ps"))
		if err != nil {
			return err
		}
		per := cfg.Count / n
		var sinks []*sink
		var reqs []subReq
		for i, c := range cs {
			s := newSink(i, 1, per, true)
			c.Data = &role{sink: s}
			sinks = append(sinks, s)
			reqs = append(reqs, subReq{c, []string{fmt.Sprintf("pair/%d/data", i)}})
		}
		if err := b.subscribe(reqs, b.qos); err != nil {
			return err
		}
		pc, err := b.dial(n, clean("pp"))
		if err != nil {
			return err
		}
		for i, c := range pc {
			b.addPub(c, per, fixed(fmt.Sprintf("pair/%d/data", i)))
		}
		b.traffic(sinks, 1)
	case "wildcard":
		return b.wildcard()
	case "shared":
		b.ver = 5
		cs, err := b.dial(cfg.Subs, clean("ss"))
		if err != nil {
			return err
		}
		per := cfg.Count / cfg.Pubs
		s := newSink(0, cfg.Pubs, per, false)
		var reqs []subReq
		var roles []*role
		for _, c := range cs {
			r := &role{sink: s}
			roles = append(roles, r)
			c.Data = r
			reqs = append(reqs, subReq{c, []string{"$share/grp/jobs/+/q"}})
		}
		if err := b.subscribe(reqs, b.qos); err != nil {
			return err
		}
		pc, err := b.dial(cfg.Pubs, clean("sp"))
		if err != nil {
			return err
		}
		for i, c := range pc {
			b.addPub(c, per, fixed(fmt.Sprintf("jobs/%d/q", i)))
		}
		b.traffic([]*sink{s}, 1)
		lo, hi := 1<<60, 0
		for _, r := range roles {
			lo, hi = min(lo, r.got), max(hi, r.got)
		}
		b.extra("consumer_min", float64(lo))
		b.extra("consumer_max", float64(hi))
	case "retained":
		return b.retained()
	case "idle":
		return b.idle()
	case "persist":
		return b.persist()
	default:
		return fmt.Errorf("unknown scenario %q", cfg.Scenario)
	}
	return nil
}

// wildcard: Filters distinct filters of four kinds over Subs connections; every
// topic matches one filter of each kind, on four connections, and the Wide
// connections that hold one broad filter.
func (b *bench) wildcard() error {
	cfg := &b.cfg
	n := cfg.Subs
	units := cfg.Filters / 4
	cs, err := b.dial(n+cfg.Wide, clean("ws"))
	if err != nil {
		return err
	}
	reqs := make([]subReq, 0, n+cfg.Wide)
	fs := make([][]string, n)
	for u := 0; u < units; u++ {
		x, y := u%100, u/100
		for t := 0; t < 4; t++ {
			var f string
			switch t {
			case 0:
				f = fmt.Sprintf("w/%d/%d/m/%d", x, y, u)
			case 1:
				f = fmt.Sprintf("w/%d/%d/+/%d", x, y, u)
			case 2:
				f = fmt.Sprintf("w/%d/%d/m/#", x, y)
			case 3:
				f = fmt.Sprintf("+/%d/%d/m/%d", x, y, u)
			}
			o := (u*4 + t) % n
			fs[o] = append(fs[o], f)
		}
	}
	var sinks []*sink
	unit := func(seq int) int { return int(uint32(seq) * 2654435761 % uint32(units)) }
	for i, c := range cs {
		i := i
		s := newSink(0, 1, cfg.Count, true)
		if i < n {
			s.accept = func(_, seq int) bool {
				d := i - unit(seq)*4%n
				if d < 0 {
					d += n
				}
				return d < 4
			}
			reqs = append(reqs, subReq{c, fs[i]})
		} else {
			f := []string{"w/+/+/m/+", "w/#", "+/+/+/m/#", "w/+/+/m/#"}[(i-n)%4]
			reqs = append(reqs, subReq{c, []string{f}})
		}
		c.Data = &role{sink: s}
		sinks = append(sinks, s)
	}
	base := proc.Read(cfg.PID)
	t0 := b.l.Clock()
	if err := b.subscribe(reqs, b.qos); err != nil {
		return err
	}
	dt := float64(b.l.Clock()-t0) / 1e9
	after := proc.Read(cfg.PID)
	b.extra("subscribe_s", dt)
	b.extra("subscribe_cpu_us_per_filter", cpu(base, after)*1e6/float64(units*4))
	b.extra("rss_bytes_per_filter", float64(after.RSS-base.RSS)/float64(units*4))
	pc, err := b.dial(1, clean("wp"))
	if err != nil {
		return err
	}
	tb := make([]byte, 0, 64)
	b.addPub(pc[0], cfg.Count, func(seq int) []byte {
		u := unit(seq)
		tb = fmt.Appendf(tb[:0], "w/%d/%d/m/%d", u%100, u/100, u)
		return tb
	})
	b.traffic(sinks, 4+cfg.Wide)
	return nil
}

func (b *bench) retained() error {
	cfg := &b.cfg
	cfg.Count = cfg.Retained
	pc, err := b.dial(1, clean("rp"))
	if err != nil {
		return err
	}
	tb := make([]byte, 0, 64)
	b.addPub(pc[0], cfg.Count, func(seq int) []byte {
		tb = fmt.Appendf(tb[:0], "ret/%d/%d/state", seq%100, seq/100)
		return tb
	})
	m0 := b.meter()
	b.pump(true, func() int { return 0 })
	if b.qos == 0 {
		b.sleep(time.Second)
	}
	m1 := b.meter()
	sent := b.sentTotal()
	b.extra("store_s", b.res.WallS)
	b.extra("store_cpu_us_per_msg", cpu(m0.b, m1.b)*1e6/float64(max(1, sent)))
	b.extra("rss_bytes_per_retained", float64(m1.b.RSS-m0.b.RSS)/float64(max(1, sent)))
	b.stopped = true
	sc, err := b.dial(1, clean("rs"))
	if err != nil {
		return err
	}
	s := newSink(0, 1, cfg.Count, false)
	sc[0].Data = &role{sink: s}
	b.sleep(200 * time.Millisecond)
	m0 = b.meter()
	t0 := b.l.Clock()
	b.progress = t0
	if err := b.subscribe([]subReq{{sc[0], []string{"ret/#"}}}, b.qos); err != nil {
		return err
	}
	for s.got < sent && b.l.Clock()-b.progress < int64(cfg.Stall) && b.closed == 0 {
		if err := b.l.Poll(20 * time.Millisecond); err != nil {
			return err
		}
	}
	b.res.WallS = float64(b.progress-t0) / 1e9
	m1 = b.meter()
	b.tally([]*sink{s}, sent)
	b.account(m0, m1, b.res.Delivered, sent)
	return nil
}

func (b *bench) persist() error {
	cfg := &b.cfg
	opt := func(i int) mq.ConnectOptions {
		return mq.ConnectOptions{ClientID: fmt.Sprintf("dur%d", i), Clean: false, KeepAlive: 600, Expiry: 3600}
	}
	cs, err := b.dial(cfg.Subs, opt)
	if err != nil {
		return err
	}
	var reqs []subReq
	for i, c := range cs {
		reqs = append(reqs, subReq{c, []string{fmt.Sprintf("dur/%d/cmd", i)}})
	}
	if err := b.subscribe(reqs, b.qos); err != nil {
		return err
	}
	for _, c := range cs {
		b.l.Queue(c, append(c.Out(), mq.DISCONNECT<<4, 0))
	}
	b.l.Flush()
	for _, c := range cs {
		b.l.Close(c)
	}
	b.sleep(300 * time.Millisecond)
	total := cfg.Subs * cfg.Queue
	pc, err := b.dial(1, clean("dp"))
	if err != nil {
		return err
	}
	tb := make([]byte, 0, 64)
	b.addPub(pc[0], total, func(seq int) []byte {
		tb = fmt.Appendf(tb[:0], "dur/%d/cmd", seq%cfg.Subs)
		return tb
	})
	m0 := b.meter()
	b.pump(false, func() int { return 0 })
	m1 := b.meter()
	sent := b.sentTotal()
	b.extra("queue_s", b.res.WallS)
	b.extra("queue_cpu_us_per_msg", cpu(m0.b, m1.b)*1e6/float64(max(1, sent)))
	b.extra("rss_bytes_per_queued", float64(m1.b.RSS-m0.b.RSS)/float64(max(1, sent)))
	b.stopped = true
	var sinks []*sink
	for i := range cs {
		i := i
		s := newSink(0, 1, total, true)
		s.accept = func(_, seq int) bool { return seq%cfg.Subs == i }
		sinks = append(sinks, s)
	}
	m0 = b.meter()
	t0 := b.l.Clock()
	b.progress = t0
	got := func() int {
		n := 0
		for _, s := range sinks {
			n += s.got
		}
		return n
	}
	// The role must be in place before the first packet: CONNACK and the queued
	// messages may arrive together.
	n := 0
	up0 := b.ups
	var all []*mq.Conn
	buf := []byte(nil)
	for got() < sent && b.l.Clock()-b.progress < int64(cfg.Stall) && b.l.Clock()-t0 < int64(cfg.Timeout) {
		for n < cfg.Subs && n-(b.ups-up0) < 200 {
			c, err := b.l.Dial(b.addr, nil)
			if err != nil {
				return err
			}
			c.Version = b.ver
			c.Data = &role{sink: sinks[n]}
			o := opt(n)
			o.Version, o.User, o.Password = b.ver, cfg.User, cfg.Pass
			buf = mq.AppendConnect(buf[:0], o)
			b.l.Queue(c, append(c.Out(), buf...))
			all = append(all, c)
			n++
		}
		if err := b.l.Poll(20 * time.Millisecond); err != nil {
			return err
		}
	}
	b.res.WallS = float64(b.progress-t0) / 1e9
	m1 = b.meter()
	b.tally(sinks, sent)
	b.account(m0, m1, b.res.Delivered, sent)
	_ = all
	return nil
}

func (b *bench) idle() error {
	cfg := &b.cfg
	runtime.GC()
	m0 := b.meter()
	t0 := b.l.Clock()
	ka := uint16(cfg.KeepAlive)
	cs, err := b.dial(cfg.Subs, func(i int) mq.ConnectOptions {
		return mq.ConnectOptions{ClientID: fmt.Sprintf("idle-device-%d", i), Clean: true, KeepAlive: ka}
	})
	if err != nil {
		return err
	}
	dt := float64(b.l.Clock()-t0) / 1e9
	m1 := b.meter()
	n := float64(cfg.Subs)
	b.extra("connects_per_s", n/dt)
	b.extra("connect_cpu_us", cpu(m0.b, m1.b)*1e6/n)
	b.sleep(cfg.Settle)
	m2 := b.meter()
	b.extra("rss_bytes_per_conn", float64(m2.b.RSS-m0.b.RSS)/n)
	var reqs []subReq
	for i, c := range cs {
		reqs = append(reqs, subReq{c, []string{fmt.Sprintf("dev/idle-device-%d/cmd", i)}})
	}
	if err := b.subscribe(reqs, 1); err != nil {
		return err
	}
	b.sleep(cfg.Settle)
	m3 := b.meter()
	b.extra("rss_bytes_per_conn_sub", float64(m3.b.RSS-m0.b.RSS)/n)
	// Pings, spread evenly over the idle time, one per connection.
	start := b.l.Clock()
	next := 0
	for next < len(cs) || b.pings < len(cs) {
		now := b.l.Clock()
		for next < len(cs) && int64(float64(next)/n*float64(cfg.Idle)) <= now-start {
			c := cs[next]
			b.l.Queue(c, append(c.Out(), mq.PINGREQ<<4, 0))
			next++
		}
		if now-start > int64(cfg.Idle)+int64(cfg.Stall) {
			break
		}
		if err := b.l.Poll(time.Millisecond); err != nil {
			return err
		}
	}
	dur := float64(b.l.Clock()-start) / 1e9
	m4 := b.meter()
	b.extra("ping_cpu_us", cpu(m3.b, m4.b)*1e6/n)
	b.extra("idle_cpu_pct", 100*cpu(m3.b, m4.b)/dur)
	b.extra("pings_answered", float64(b.pings))
	b.extra("rss_bytes_per_conn_end", float64(m4.b.RSS-m0.b.RSS)/n)
	b.res.Closed = b.closed
	b.res.Delivered = b.pings
	b.res.Expected = len(cs)
	b.res.Lost = len(cs) - b.pings
	b.res.WallS = dur
	b.res.RSS1, b.res.RSS2, b.res.Peak = m0.b.RSS, m4.b.RSS, m4.b.Peak
	b.res.BrokerWait = m4.b.Wait - m0.b.Wait
	b.res.LoadWait = m4.l.Wait - m0.l.Wait
	b.res.CPUS = cpu(m0.b, m4.b)
	return nil
}

func main() {
	var c config
	flag.StringVar(&c.Scenario, "scenario", "pairs", "fanout, fanin, pairs, wildcard, shared, retained, latency, idle, persist")
	flag.StringVar(&c.Addr, "addr", "127.0.0.1:1883", "broker host:port")
	flag.StringVar(&c.Label, "label", "", "label of the run in the output")
	flag.StringVar(&c.Broker, "broker", "", "broker name in the output")
	flag.StringVar(&c.User, "user", "", "user name")
	flag.StringVar(&c.Pass, "pass", "", "password")
	flag.IntVar(&c.PID, "pid", 0, "broker process, for CPU and RSS")
	flag.IntVar(&c.Version, "v", 4, "MQTT version: 4 (3.1.1) or 5")
	flag.IntVar(&c.QoS, "qos", 0, "QoS of publish and subscribe")
	flag.IntVar(&c.Size, "size", 64, "payload bytes, at least 16")
	flag.IntVar(&c.Pubs, "pubs", 100, "publishers (pairs: pairs)")
	flag.IntVar(&c.Subs, "subs", 100, "subscribers, consumers or connections")
	flag.IntVar(&c.Count, "count", 100000, "messages published, all publishers together")
	flag.IntVar(&c.Window, "window", 16, "messages in flight per publisher")
	flag.Float64Var(&c.Rate, "rate", 0, "messages published per second, open loop (0: closed loop)")
	flag.DurationVar(&c.Dur, "dur", 10*time.Second, "stop publishing after this time")
	flag.DurationVar(&c.Timeout, "timeout", 60*time.Second, "end of the run")
	flag.DurationVar(&c.Stall, "stall", 6*time.Second, "give up when nothing arrived for this long")
	flag.DurationVar(&c.Idle, "idle", 5*time.Second, "idle: time over which each connection pings once")
	flag.DurationVar(&c.Settle, "settle", 1500*time.Millisecond, "idle: rest before a memory reading")
	flag.IntVar(&c.KeepAlive, "keepalive", 120, "idle: keep alive")
	flag.IntVar(&c.Filters, "filters", 100000, "wildcard: distinct filters")
	flag.IntVar(&c.Wide, "wide", 4, "wildcard: connections with one broad filter")
	flag.IntVar(&c.Batch, "batch", 20, "filters per SUBSCRIBE")
	flag.IntVar(&c.Retained, "retained", 100000, "retained: topics")
	flag.IntVar(&c.Queue, "queue", 100, "persist: messages queued per session")
	flag.IntVar(&c.SrcIPs, "srcips", 1, "source addresses 127.0.1.x to connect from")
	flag.Parse()
	if c.Size < 16 {
		c.Size = 16
	}
	if c.Label == "" {
		c.Label = c.Scenario
	}
	runtime.LockOSThread()
	debug.SetGCPercent(400)
	l, err := mq.NewLoop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	addr, err := net.ResolveTCPAddr("tcp4", net.JoinHostPort(host, port))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	b := &bench{cfg: c, l: l, addr: addr, ver: byte(c.Version), qos: byte(c.QoS), pay: make([]byte, c.Size)}
	for i := range b.pay {
		b.pay[i] = byte('a' + i%26)
	}
	l.OnPacket = b.onPacket
	l.OnClose = func(*mq.Conn) { b.closed++ }
	r := &b.res
	r.RSS0 = proc.Read(c.PID).RSS
	if err := b.run(); err != nil {
		r.Err = err.Error()
	}
	r.Broker, r.Label, r.Scenario, r.Version, r.QoS, r.Size = c.Broker, c.Label, c.Scenario, int(b.ver), c.QoS, c.Size
	r.Pubs, r.Subs, r.Window = c.Pubs, c.Subs, c.Window
	r.Load1 = proc.Load1()
	_ = json.NewEncoder(os.Stdout).Encode(r)
	fmt.Fprintf(os.Stderr, "%-14s %-22s %9.0f msg/s  %7.2f us CPU/msg  rss %6.1f MB  lost %d dup %d  p50 %.0f p99 %.0f us  load %.2f us/msg %s\n",
		r.Broker, r.Label, r.MsgPerS, r.CPUusPerMsg, float64(r.RSS2)/1e6, r.Lost, r.Dup, r.P50us, r.P99us, r.LoadCPUusMsg, r.Err)
	if r.Err != "" {
		os.Exit(3)
	}
}
