//go:build linux

// Command compare runs a list of scenarios against a list of brokers in turn
// (A B C A B C), a fresh broker process per run, the broker and the load
// generator each pinned to its own core, and prints medians and ratios.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"
)

// Broker is one peer. In Start and Files ${PORT} and ${TMP} (a fresh folder per
// run) are replaced, other ${X} come from the environment.
type Broker struct {
	Name  string            `json:"name"`
	Start []string          `json:"start"`
	Env   []string          `json:"env"`
	Files map[string]string `json:"files"` // name under ${TMP} -> text
	Port  int               `json:"port"`
	Skip  []string          `json:"skip"` // scenario labels it cannot do
	Warm  string            `json:"warm"` // extra wait after the port opens
	RAM   bool              `json:"ram"`  // put ${TMP} on the folder of -ramtmp
}

// Scenario is one mqttload run.
type Scenario struct {
	Name   string   `json:"name"`
	Args   []string `json:"args"`
	Metric string   `json:"metric"` // what the ratio is taken on; default cpu_us_per_msg (lower is better)
}

// Config is the driver's input.
type Config struct {
	Brokers   []Broker   `json:"brokers"`
	Scenarios []Scenario `json:"scenarios"`
}

func main() {
	runtime.LockOSThread() // children die with this thread (Pdeathsig)
	cfgs := flag.String("config", "", "comma-separated JSON files, merged (brokers and scenarios appended)")
	load := flag.String("mqttload", "mqttload", "the load generator's binary")
	rounds := flag.Int("rounds", 3, "rounds")
	bcpu := flag.String("broker-cpus", "0", "broker's cores (taskset list, empty: not pinned)")
	lcpu := flag.String("load-cpus", "1", "load generator's cores")
	only := flag.String("only", "", "comma-separated scenario names (prefix match)")
	brokers := flag.String("brokers", "", "comma-separated broker names (exact)")
	out := flag.String("out", "results.jsonl", "JSON lines, appended")
	tableOnly := flag.Bool("table", false, "no run: print the table of -out")
	base := flag.String("base", "", "broker the ratios refer to (default: the best of each row)")
	ramtmp := flag.String("ramtmp", "", "a folder in memory for brokers with ram=true")
	flag.Parse()

	var cfg Config
	for _, f := range strings.Split(*cfgs, ",") {
		if f == "" {
			continue
		}
		b, err := os.ReadFile(f)
		check(err)
		var c Config
		check(json.Unmarshal(b, &c))
		cfg.Brokers = append(cfg.Brokers, c.Brokers...)
		cfg.Scenarios = append(cfg.Scenarios, c.Scenarios...)
	}
	if !*tableOnly {
		fh, err := os.OpenFile(*out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		check(err)
		for r := 1; r <= *rounds; r++ {
			for _, s := range cfg.Scenarios {
				if !match(*only, s.Name, strings.HasPrefix) {
					continue
				}
				for _, b := range cfg.Brokers {
					if !match(*brokers, b.Name, func(a, c string) bool { return a == c }) || has(b.Skip, s.Name) {
						continue
					}
					line, err := one(b, s, *load, *bcpu, *lcpu, *ramtmp)
					if err != nil {
						fmt.Fprintf(os.Stderr, "%s %s round %d: %v\n", b.Name, s.Name, r, err)
						continue
					}
					var m map[string]any
					if json.Unmarshal(line, &m) == nil {
						m["round"] = r
						line, _ = json.Marshal(m)
					}
					fh.Write(append(line, '\n'))
				}
			}
		}
		fh.Close()
	}
	table(*out, cfg, *base)
}

func match(list, s string, eq func(a, b string) bool) bool {
	if list == "" {
		return true
	}
	for _, x := range strings.Split(list, ",") {
		if eq(s, x) {
			return true
		}
	}
	return false
}

func has(l []string, s string) bool {
	for _, x := range l {
		if strings.HasPrefix(s, x) {
			return true
		}
	}
	return false
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func one(b Broker, s Scenario, load, bcpu, lcpu, ramtmp string) ([]byte, error) {
	parent := ""
	if b.RAM {
		parent = ramtmp
	}
	tmp, err := os.MkdirTemp(parent, "mqttbench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	sub := func(x string) string {
		return os.Expand(x, func(k string) string {
			switch k {
			case "PORT":
				return fmt.Sprint(b.Port)
			case "TMP":
				return tmp
			}
			return os.Getenv(k)
		})
	}
	for n, t := range b.Files {
		if err := os.WriteFile(filepath.Join(tmp, n), []byte(sub(t)), 0o644); err != nil {
			return nil, err
		}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", b.Port)
	if c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond); err == nil {
		c.Close()
		return nil, fmt.Errorf("port %d is in use", b.Port)
	}
	var argv []string
	if bcpu != "" {
		argv = append(argv, "taskset", "-c", bcpu)
	}
	for _, a := range b.Start {
		argv = append(argv, sub(a))
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = os.Environ()
	for _, e := range b.Env {
		cmd.Env = append(cmd.Env, sub(e))
	}
	cmd.Dir = tmp
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	lf, _ := os.Create(filepath.Join(tmp, "broker.log"))
	cmd.Stdout, cmd.Stderr = lf, lf
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(4 * time.Second):
			cmd.Process.Kill()
			<-done
		}
	}()
	up := false
	for i := 0; i < 200 && !up; i++ {
		select {
		case <-done:
			t, _ := os.ReadFile(filepath.Join(tmp, "broker.log"))
			return nil, fmt.Errorf("broker ended: %.400s", t)
		default:
		}
		if c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond); err == nil {
			c.Close()
			up = true
		} else {
			time.Sleep(50 * time.Millisecond)
		}
	}
	if !up {
		return nil, fmt.Errorf("port did not open")
	}
	warm := 300 * time.Millisecond
	if d, err := time.ParseDuration(b.Warm); err == nil {
		warm = d
	}
	time.Sleep(warm)
	argv = nil
	if lcpu != "" {
		argv = append(argv, "taskset", "-c", lcpu)
	}
	argv = append(argv, load, "-addr", addr, "-pid", fmt.Sprint(cmd.Process.Pid), "-broker", b.Name, "-label", s.Name)
	argv = append(argv, s.Args...)
	lc := exec.Command(argv[0], argv[1:]...)
	lc.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var so bytes.Buffer
	lc.Stdout, lc.Stderr = &so, os.Stderr
	if err := lc.Start(); err != nil {
		return nil, err
	}
	t := time.AfterFunc(3*time.Minute, func() { lc.Process.Kill() })
	lc.Wait()
	t.Stop()
	return bytes.TrimSpace(so.Bytes()), nil
}

type row map[string]any

func num(r row, k string) float64 {
	if v, ok := r[k].(float64); ok {
		return v
	}
	if e, ok := r["extra"].(map[string]any); ok {
		if v, ok := e[k].(float64); ok {
			return v
		}
	}
	return math.NaN()
}

func med(v []float64) float64 {
	var w []float64
	for _, x := range v {
		if !math.IsNaN(x) {
			w = append(w, x)
		}
	}
	if len(w) == 0 {
		return math.NaN()
	}
	sort.Float64s(w)
	if len(w)%2 == 1 {
		return w[len(w)/2]
	}
	return (w[len(w)/2-1] + w[len(w)/2]) / 2
}

func spread(v []float64) float64 {
	lo, hi := math.Inf(1), 0.0
	for _, x := range v {
		if !math.IsNaN(x) {
			lo, hi = math.Min(lo, x), math.Max(hi, x)
		}
	}
	if lo <= 0 || math.IsInf(lo, 1) {
		return 0
	}
	return hi / lo
}

func table(file string, cfg Config, base string) {
	fh, err := os.Open(file)
	check(err)
	defer fh.Close()
	data := map[string]map[string][]row{}
	var labels, names []string
	seenN := map[string]bool{}
	sc := bufio.NewScanner(fh)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var r row
		if json.Unmarshal(sc.Bytes(), &r) != nil {
			continue
		}
		l, _ := r["label"].(string)
		n, _ := r["broker"].(string)
		if data[l] == nil {
			data[l] = map[string][]row{}
			labels = append(labels, l)
		}
		if !seenN[n] {
			seenN[n] = true
			names = append(names, n)
		}
		data[l][n] = append(data[l][n], r)
	}
	metric := map[string]string{}
	for _, s := range cfg.Scenarios {
		metric[s.Name] = s.Metric
	}
	matrix(data, labels, names, metric)
	fmt.Println("\n## Per scenario\n\nMedians. ratio = metric / best lossless metric of the scenario (1.00 = leader); spread = max/min over the rounds.")
	for _, l := range labels {
		m := metric[l]
		if m == "" {
			m = "cpu_us_per_msg"
		}
		type out struct {
			n   string
			v   map[string]float64
			sp  float64
			lo  float64 // best round
			rn  int
			err string
		}
		keys := []string{m, "msg_per_s", "cpu_us_per_msg", "rss_end", "lost", "dup", "out_of_order", "p50_us", "p99_us", "p999_us", "load_cpu_us_per_msg"}
		var outs []out
		best := math.Inf(1)
		xk := map[string]bool{}
		for _, n := range names {
			rs := data[l][n]
			if len(rs) == 0 {
				continue
			}
			o := out{n: n, v: map[string]float64{}, rn: len(rs)}
			ex := map[string]bool{}
			o.err = failed(rs)
			for _, r := range rs {
				if e, ok := r["extra"].(map[string]any); ok {
					for k := range e {
						ex[k] = true
						xk[k] = true
					}
				}
			}
			for _, k := range keys {
				o.v[k] = medOf(rs, k)
			}
			for k := range ex {
				o.v[k] = medOf(rs, k)
			}
			var ms []float64
			for _, r := range rs {
				ms = append(ms, num(r, m))
			}
			o.sp = spread(ms)
			o.lo = math.Inf(1)
			for _, x := range ms {
				if !math.IsNaN(x) {
					o.lo = math.Min(o.lo, x)
				}
			}
			if o.err == "" && o.v["lost"] == 0 && o.v[m] > 0 && (base == "" || base == n) {
				best = math.Min(best, o.v[m])
			}
			outs = append(outs, o)
		}
		sort.SliceStable(outs, func(i, j int) bool {
			a, b := outs[i], outs[j]
			af, bf := a.err != "" || a.v["lost"] > 0, b.err != "" || b.v["lost"] > 0
			if af != bf {
				return bf
			}
			return a.v[m] < b.v[m]
		})
		fmt.Printf("\n### %s (ratio on %s)\n\n", l, m)
		fmt.Println("| broker | ratio | best round | spread | msg/s | CPU us/msg | RSS MB | lost | dup | ooo | p50 us | p99 us | p99.9 us | gen us/msg | more |")
		fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
		var xs []string
		for k := range xk {
			xs = append(xs, k)
		}
		sort.Strings(xs)
		for _, o := range outs {
			if o.err != "" {
				fmt.Printf("| %s | - | | | | | | | | | | | | | failed: %s |\n", o.n, o.err)
				continue
			}
			var more []string
			for _, k := range xs {
				if v, ok := o.v[k]; ok && !math.IsNaN(v) {
					more = append(more, fmt.Sprintf("%s=%.6g", k, v))
				}
			}
			fmt.Printf("| %s | %.2f | %.2f | %.2f | %.0f | %.2f | %.1f | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | %.2f | %s |\n", o.n, o.v[m]/best, o.lo, o.sp,
				o.v["msg_per_s"], o.v["cpu_us_per_msg"], o.v["rss_end"]/1e6, o.v["lost"], o.v["dup"], o.v["out_of_order"], o.v["p50_us"], o.v["p99_us"], o.v["p999_us"], o.v["load_cpu_us_per_msg"], strings.Join(more, " "))
		}
	}
}

// matrix prints scenario x broker: median of the metric and, in brackets, its
// ratio to the best lossless, ordered broker that is not a floor. "L" marks lost
// messages, "O" out-of-order ones.
func matrix(data map[string]map[string][]row, labels, names []string, metric map[string]string) {
	fmt.Println("## Medians, all scenarios (metric, in brackets the ratio to the best complete peer; L lost, D duplicated, O out of order)")
	fmt.Print("\n| scenario (metric) |")
	for _, n := range names {
		fmt.Printf(" %s |", n)
	}
	fmt.Print("\n|---|")
	for range names {
		fmt.Print("---|")
	}
	fmt.Println()
	for _, l := range labels {
		m := metric[l]
		if m == "" {
			m = "cpu_us_per_msg"
		}
		best := math.Inf(1)
		for _, n := range names {
			rs := data[l][n]
			if len(rs) == 0 || strings.HasPrefix(n, "floor") || failed(rs) != "" || worst(rs, "lost") > 0 || worst(rs, "out_of_order") > 0 {
				continue
			}
			if v := medOf(rs, m); v > 0 {
				best = math.Min(best, v)
			}
		}
		fmt.Printf("| %s (%s) |", l, m)
		for _, n := range names {
			rs := data[l][n]
			switch {
			case len(rs) == 0:
				fmt.Print(" |")
			case failed(rs) != "":
				fmt.Print(" failed |")
			default:
				v := medOf(rs, m)
				mark := ""
				for k, x := range map[string]string{"lost": "L", "dup": "D", "out_of_order": "O"} {
					if worst(rs, k) > 0 {
						mark += x
					}
				}
				if math.IsNaN(v) || v == 0 {
					fmt.Printf(" %s |", mark)
					continue
				}
				fmt.Printf(" %.3g (%.2f)%s |", v, v/best, mark)
			}
		}
		fmt.Println()
	}
}

func failed(rs []row) string {
	n, e := 0, ""
	for _, r := range rs {
		if x, ok := r["error"].(string); ok {
			n++
			e = x
		}
	}
	if n == len(rs) {
		return e
	}
	return ""
}

func worst(rs []row, k string) float64 {
	w := 0.0
	for _, r := range rs {
		w = math.Max(w, num(r, k))
	}
	return w
}

func medOf(rs []row, k string) float64 {
	var v []float64
	for _, r := range rs {
		if _, bad := r["error"]; !bad {
			v = append(v, num(r, k))
		}
	}
	return med(v)
}
