//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ratios are taken within a round, failed runs left out, and their median is printed.
func TestBeside(t *testing.T) {
	t.Parallel()
	of := func(lines ...string) (list []row) {
		for _, l := range lines {
			list = append(list, parsed(t, l))
		}
		return list
	}
	data := map[string]map[string][]row{
		"pairs": {
			"open":  of(`{"round": 1, "cpu_us_per_msg": 1}`, `{"round": 2, "cpu_us_per_msg": 2}`, `{"round": 3, "cpu_us_per_msg": 4}`, `{"round": 4, "cpu_us_per_msg": 1}`),
			"rules": of(`{"round": 2, "cpu_us_per_msg": 2.5}`, `{"round": 1, "cpu_us_per_msg": 1.5}`, `{"round": 3, "cpu_us_per_msg": 4.4}`, `{"round": 4, "cpu_us_per_msg": 0.1, "error": "incomplete"}`),
		},
		"idle": {
			"open":  of(`{"round": 1, "cpu_us_per_msg": 0, "extra": {"connect_cpu_us": 10}}`),
			"rules": of(`{"round": 1, "cpu_us_per_msg": 0, "extra": {"connect_cpu_us": 12}}`),
		},
		"other": {"peer": of(`{"round": 1, "cpu_us_per_msg": 7}`)},
	}
	cfg := Config{Brokers: []Broker{{Name: "open"}, {Name: "rules", Beside: "open"}, {Name: "absent", Beside: "open"}, {Name: "lonely", Beside: "nobody"}, {Name: "peer"}}}
	var out strings.Builder
	beside(&out, data, []string{"pairs", "idle", "other"}, cfg)
	require.Equal(t, `
## Cost beside open

Median of the ratios of all rounds (least - greatest).

| scenario | figure | open | rules |
|---|---|---|---|
| pairs | cpu_us_per_msg | 1.5 | 1.25 (1.10 - 1.50) |
| idle | connect_cpu_us | 10 | 1.20 (1.20 - 1.20) |
`, out.String())
}
