//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/thinghub/thinghub/internal/bench/internal/mq"
	"github.com/thinghub/thinghub/internal/bench/internal/pki"
)

// handshakes is how many connections are opened at a time over TLS.
const handshakes = 32

// A secure is a connection over TLS. It is driven by whoever calls it: what it costs the
// broker is measured, and not what it costs here.
type secure struct {
	*tls.Conn
	ver byte
	buf []byte
}

// expect reads packets until one is of the type that is awaited.
func (c *secure) expect(typ byte, within time.Duration) (*mq.Packet, error) {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	for {
		var p mq.Packet
		n, err := mq.Parse(c.buf, c.ver, &p)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			c.buf = c.buf[n:]
			if p.Type == typ {
				return &p, nil
			}
			continue
		}
		var b [512]byte
		n, err = c.Read(b[:])
		if err != nil {
			return nil, err
		}
		c.buf = append(c.buf, b[:n]...)
	}
}

// dialTLS opens one connection.
func (b *bench) dialTLS(i int) (*secure, error) {
	cfg, err := pki.Client(b.cfg.TLS, i, b.cfg.Mutual)
	if err != nil {
		return nil, err
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: b.cfg.Timeout}, Config: cfg}
	nc, err := d.Dial("tcp", b.addr.String())
	if err != nil {
		return nil, err
	}
	c := &secure{Conn: nc.(*tls.Conn), ver: b.ver}
	_, err = c.Write(mq.AppendConnect(nil, mq.ConnectOptions{
		Version: b.ver, ClientID: fmt.Sprintf("idle-device-%d", i), User: b.cfg.User, Password: b.cfg.Pass, Clean: true, KeepAlive: uint16(b.cfg.KeepAlive),
	}))
	if err != nil {
		return c, err
	}
	p, err := c.expect(mq.CONNACK, b.cfg.Timeout)
	if err == nil && p.Code != 0 {
		err = fmt.Errorf("CONNECT was refused with code %d", p.Code)
	}
	return c, err
}

// each calls f for all connections, some at a time, and returns the first error.
func each(n int, f func(i int) error) error {
	var (
		all   sync.WaitGroup
		once  sync.Once
		first error
	)
	next := make(chan int)
	for range handshakes {
		all.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					once.Do(func() { first = fmt.Errorf("connection %d: %w", i, err) })
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return first
}

// idleTLS is idle over TLS: connect, subscribe, rest, ping once each.
func (b *bench) idleTLS() error {
	cfg := &b.cfg
	n := float64(cfg.Subs)
	conns := make([]*secure, cfg.Subs)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	runtime.GC()
	m0 := b.meter()
	start := time.Now()
	if err := each(cfg.Subs, func(i int) (err error) {
		conns[i], err = b.dialTLS(i)
		return err
	}); err != nil {
		return err
	}
	m1 := b.meter()
	b.extra("connects_per_s", n/time.Since(start).Seconds())
	b.extra("connect_cpu_us", cpu(m0.b, m1.b)*1e6/n)
	time.Sleep(cfg.Settle)
	m2 := b.meter()
	b.extra("rss_bytes_per_conn", float64(m2.b.RSS-m0.b.RSS)/n)
	if err := each(cfg.Subs, func(i int) error {
		c := conns[i]
		if _, err := c.Write(mq.AppendSubscribe(nil, b.ver, 1, 1, []string{fmt.Sprintf("dev/idle-device-%d/cmd", i)})); err != nil {
			return err
		}
		p, err := c.expect(mq.SUBACK, cfg.Timeout)
		if err == nil && (len(p.Codes) != 1 || p.Codes[0] >= 0x80) {
			err = errors.New("SUBSCRIBE was refused")
		}
		return err
	}); err != nil {
		return err
	}
	time.Sleep(cfg.Settle)
	m3 := b.meter()
	b.extra("rss_bytes_per_conn_sub", float64(m3.b.RSS-m0.b.RSS)/n)
	start = time.Now()
	for i, c := range conns { // spread evenly over the idle time
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / n * float64(cfg.Idle)))))
		if _, err := c.Write([]byte{mq.PINGREQ << 4, 0}); err != nil {
			return err
		}
		if _, err := c.expect(mq.PINGRESP, cfg.Stall); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		b.pings++
	}
	m4 := b.meter()
	b.extra("ping_cpu_us", cpu(m3.b, m4.b)*1e6/n)
	b.extra("pings_answered", float64(b.pings))
	b.extra("rss_bytes_per_conn_end", float64(m4.b.RSS-m0.b.RSS)/n)
	b.res.Delivered, b.res.Expected = b.pings, cfg.Subs
	b.res.WallS = time.Since(start).Seconds()
	b.res.RSS1, b.res.RSS2, b.res.Peak = m0.b.RSS, m4.b.RSS, m4.b.Peak
	b.res.BrokerWait, b.res.LoadWait = m4.b.Wait-m0.b.Wait, m4.l.Wait-m0.l.Wait
	b.res.CPUS = cpu(m0.b, m4.b)
	return nil
}
