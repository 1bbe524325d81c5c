//go:build linux

// Command compare runs a list of scenarios against a list of brokers in turn
// (A B C A B C), a fresh broker process per run, the broker and the load
// generator each pinned to its own core, and prints medians and ratios.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Broker is one peer. In Start and Files ${PORT} and ${TMP} (a fresh folder per
// run) are replaced, ${USERS} and ${POLICIES} by who may come in and what they may do, as
// examples/standalone has it in its file; other ${X} come from the environment.
type Broker struct {
	Name  string            `json:"name"`
	Start []string          `json:"start"`
	Env   []string          `json:"env"`
	Files map[string]string `json:"files"` // name under ${TMP} -> text
	Port  int               `json:"port"`
	Skip  []string          `json:"skip"` // scenario labels it cannot do
	Warm  string            `json:"warm"` // extra wait after the port opens
	RAM   bool              `json:"ram"`  // put ${TMP} on the folder of -ramtmp
	TLS   *TLS              `json:"tls"`  // for scenarios over TLS, which brokers without it skip

	Logins     bool   `json:"logins"`     // each connection has a user of its own, of package fleet
	Statements int    `json:"statements"` // of the policy that users have; 0: none
	Alike      bool   `json:"alike"`      // all of them are about the topics of the scenario
	Beside     string `json:"beside"`     // a broker: how many times its cost is printed
	Complete   bool   `json:"complete"`   // a run that lacks or refuses anything is a failure
	Asked      bool   `json:"asked"`      // only runs if it is named
}

// TLS is how a broker starts for a scenario over TLS. Beside the other ${X} there are
// ${MUTUAL} and ${OPEN}, true or false and false or true, and ${CLIENTS}, a JSON array of
// {"file": name, "policies": ["all"]}. The certificates are in ${TMP}: ca.pem, server.pem,
// server.key and those of package pki's clients.
type TLS struct {
	Start []string          `json:"start"`
	Files map[string]string `json:"files"`
}

// Scenario is one mqttload run.
type Scenario struct {
	Name   string   `json:"name"`
	Args   []string `json:"args"`
	Metric string   `json:"metric"` // what the ratio is taken on; default cpu_us_per_msg (lower is better)
	TLS    string   `json:"tls"`    // "server": clients check the broker, "mutual": both have certificates
	// Clients is how many clients have certificates, or users.
	Clients int `json:"clients"`
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
	failures := 0
	if !*tableOnly {
		fh, err := os.OpenFile(*out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		check(err)
		for r := 1; r <= *rounds; r++ {
			for _, s := range cfg.Scenarios {
				if !match(*only, s.Name, strings.HasPrefix) {
					continue
				}
				for _, b := range cfg.Brokers {
					if !match(*brokers, b.Name, func(a, c string) bool { return a == c }) || b.Asked && *brokers == "" || has(b.Skip, s.Name) || s.TLS != "" && b.TLS == nil {
						continue
					}
					m, err := one(b, s, *load, *bcpu, *lcpu, *ramtmp)
					if b.Complete && err == nil {
						if err = complete(m); err != nil {
							m["error"] = err.Error()
						}
					}
					if err != nil {
						fmt.Fprintf(os.Stderr, "%s %s round %d: %v\n", b.Name, s.Name, r, err)
						if b.Complete {
							failures++
						}
					}
					if m != nil {
						m["round"] = r
						check(json.NewEncoder(fh).Encode(m))
					}
				}
			}
		}
		check(fh.Close())
	}
	table(*out, cfg, *base)
	if failures > 0 {
		fmt.Fprintf(os.Stderr, "%d runs failed that had to be complete\n", failures)
		os.Exit(1)
	}
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
