//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"strings"
)

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
	data, labels, names := read(file)
	metric := map[string]string{}
	for _, s := range cfg.Scenarios {
		metric[s.Name] = s.Metric
	}
	matrix(data, labels, names, metric)
	beside(os.Stdout, data, labels, cfg)
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

// read returns the rows of a file by label and broker, and both in their order.
func read(file string) (data map[string]map[string][]row, labels, names []string) {
	fh, err := os.Open(file)
	check(err)
	defer fh.Close()
	data = map[string]map[string][]row{}
	seen := map[string]bool{}
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
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
		data[l][n] = append(data[l][n], r)
	}
	return data, labels, names
}
