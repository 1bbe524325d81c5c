//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// costs are the figures that beside compares, of the broker alone; a scenario has some.
var costs = []string{
	"cpu_us_per_msg", "store_cpu_us_per_msg", "queue_cpu_us_per_msg", "subscribe_cpu_us_per_filter", "connect_cpu_us", "ping_cpu_us", "rss_bytes_per_conn_sub",
}

// beside prints how many times what a broker costs that it is to be seen beside. A ratio
// is that of two runs in one round, so it is about the same moment of the machine.
func beside(w io.Writer, data map[string]map[string][]row, labels []string, cfg Config) {
	var bases []string
	for _, b := range cfg.Brokers {
		if b.Beside != "" && !slices.Contains(bases, b.Beside) {
			bases = append(bases, b.Beside)
		}
	}
	for _, base := range bases {
		var others []string
		for _, b := range cfg.Brokers {
			if b.Beside == base && slices.ContainsFunc(labels, func(l string) bool { return len(data[l][b.Name]) > 0 && len(data[l][base]) > 0 }) {
				others = append(others, b.Name)
			}
		}
		if len(others) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n## Cost beside %s\n\nMedian of the ratios of all rounds (least - greatest).\n\n| scenario | figure | %s |", base, base)
		rule := "|---|---|---|"
		for _, o := range others {
			fmt.Fprintf(w, " %s |", o)
			rule += "---|"
		}
		fmt.Fprintf(w, "\n%s\n", rule)
		for _, l := range labels {
			for _, k := range costs {
				v := medOf(data[l][base], k)
				if !(v > 0) {
					continue
				}
				fmt.Fprintf(w, "| %s | %s | %.3g |", l, k, v)
				for _, o := range others {
					fmt.Fprintf(w, " %s |", shown(ratios(data[l][o], data[l][base], k)))
				}
				fmt.Fprintln(w)
			}
		}
	}
}

// ratios are a's figures over b's, of each round in which both did it.
func ratios(a, b []row, k string) (list []float64) {
	for _, x := range a {
		for _, y := range b {
			if x["round"] != y["round"] || x["error"] != nil || y["error"] != nil {
				continue
			}
			if q := num(x, k) / num(y, k); q > 0 && !math.IsInf(q, 0) {
				list = append(list, q)
			}
		}
	}
	return list
}

func shown(list []float64) string {
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f (%.2f - %.2f)", med(list), slices.Min(list), slices.Max(list))
}
