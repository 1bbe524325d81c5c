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
	TLS                                       string
	Mutual, Logins                            bool
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

func main() {
	var c config
	flag.StringVar(&c.Scenario, "scenario", "pairs", "fanout, fanin, pairs, wildcard, shared, retained, latency, idle, persist")
	flag.StringVar(&c.Addr, "addr", "127.0.0.1:1883", "broker host:port")
	flag.StringVar(&c.Label, "label", "", "label of the run in the output")
	flag.StringVar(&c.Broker, "broker", "", "broker name in the output")
	flag.StringVar(&c.User, "user", "", "user name")
	flag.StringVar(&c.Pass, "pass", "", "password")
	flag.BoolVar(&c.Logins, "logins", false, "each connection has a user name of its own, those of package fleet; not with -tls")
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
	flag.StringVar(&c.TLS, "tls", "", "idle: connect over TLS, with the certificates in this `folder`, which compare makes")
	flag.BoolVar(&c.Mutual, "mutual", false, "idle: each connection shows a certificate of its own")
	flag.Parse()
	if c.TLS != "" && c.Scenario != "idle" {
		fmt.Fprintf(os.Stderr, "-tls is %q with -scenario %s, expected -scenario idle\n", c.TLS, c.Scenario)
		os.Exit(2)
	}
	if c.Logins && (c.TLS != "" || c.User != "") {
		fmt.Fprintf(os.Stderr, "-logins is there with -tls %q and -user %q, expected neither\n", c.TLS, c.User)
		os.Exit(2)
	}
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
