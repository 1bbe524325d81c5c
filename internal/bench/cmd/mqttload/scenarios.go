//go:build linux

package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/thinghub/thinghub/internal/bench/internal/mq"
	"github.com/thinghub/thinghub/internal/bench/internal/proc"
)

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
			b.addPub(c, per, fixed(fmt.Sprintf("fan/in/ip%d/data", i)))
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
			reqs = append(reqs, subReq{c, []string{fmt.Sprintf("pair/ps%d/data", i)}})
		}
		if err := b.subscribe(reqs, b.qos); err != nil {
			return err
		}
		pc, err := b.dial(n, clean("pp"))
		if err != nil {
			return err
		}
		for i, c := range pc {
			b.addPub(c, per, fixed(fmt.Sprintf("pair/ps%d/data", i)))
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
			b.addPub(c, per, fixed(fmt.Sprintf("jobs/sp%d/q", i)))
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
		if cfg.TLS != "" {
			return b.idleTLS()
		}
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
		reqs = append(reqs, subReq{c, []string{fmt.Sprintf("dur/dur%d/cmd", i)}})
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
		tb = fmt.Appendf(tb[:0], "dur/dur%d/cmd", seq%cfg.Subs)
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
			o.Version = b.ver
			o.User, o.Password = b.login(n) // whoever the session belongs to
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
