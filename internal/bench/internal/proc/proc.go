//go:build linux

// Package proc reads a process's CPU time and memory from /proc.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Sample is a reading.
type Sample struct {
	User, Sys float64 // CPU seconds, whole process with ended threads
	Exec      float64 // CPU seconds of the living threads, ns resolution
	Wait      float64 // seconds the threads were runnable but not running
	RSS       int64   // bytes
	Peak      int64
	Threads   int
}

// Read samples pid; pid 0 gives a zero sample.
func Read(pid int) Sample {
	var s Sample
	if pid == 0 {
		return s
	}
	dir := fmt.Sprintf("/proc/%d", pid)
	if b, err := os.ReadFile(dir + "/stat"); err == nil {
		if i := bytes.LastIndexByte(b, ')'); i > 0 {
			f := strings.Fields(string(b[i+1:]))
			if len(f) > 13 {
				u, _ := strconv.ParseFloat(f[11], 64)
				k, _ := strconv.ParseFloat(f[12], 64)
				s.User, s.Sys = u/100, k/100
			}
		}
	}
	if b, err := os.ReadFile(dir + "/status"); err == nil {
		for _, l := range strings.Split(string(b), "\n") {
			f := strings.Fields(l)
			if len(f) < 2 {
				continue
			}
			v, _ := strconv.ParseInt(f[1], 10, 64)
			switch f[0] {
			case "VmRSS:":
				s.RSS = v << 10
			case "VmHWM:":
				s.Peak = v << 10
			case "Threads:":
				s.Threads = int(v)
			}
		}
	}
	ts, _ := filepath.Glob(dir + "/task/*/schedstat")
	for _, t := range ts {
		if b, err := os.ReadFile(t); err == nil {
			f := strings.Fields(string(b))
			if len(f) >= 2 {
				x, _ := strconv.ParseFloat(f[0], 64)
				w, _ := strconv.ParseFloat(f[1], 64)
				s.Exec += x / 1e9
				s.Wait += w / 1e9
			}
		}
	}
	return s
}

// Load1 is the one-minute load average.
func Load1() float64 {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if len(f) == 0 {
		return 0
	}
	v, _ := strconv.ParseFloat(f[0], 64)
	return v
}
