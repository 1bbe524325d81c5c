//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/thinghub/thinghub/internal/bench/internal/fleet"
	"github.com/thinghub/thinghub/internal/bench/internal/pki"
)

// one runs a scenario against a broker and returns what the load generator found.
func one(b Broker, s Scenario, load, bcpu, lcpu, ramtmp string) (row, error) {
	parent := ""
	if b.RAM {
		parent = ramtmp
	}
	tmp, err := os.MkdirTemp(parent, "mqttbench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	policies, err := policies(b, s)
	if err != nil {
		return nil, err
	}
	sub := func(x string) string {
		return os.Expand(x, func(k string) string {
			switch k {
			case "PORT":
				return fmt.Sprint(b.Port)
			case "TMP":
				return tmp
			case "MUTUAL":
				return fmt.Sprint(s.TLS == "mutual")
			case "OPEN":
				return fmt.Sprint(s.TLS != "mutual")
			case "CLIENTS":
				return clients(s.Clients)
			case "USERS":
				return users(b, s.Clients)
			case "POLICIES":
				return policies
			}
			return os.Getenv(k)
		})
	}
	start, files, args := b.Start, b.Files, s.Args
	if s.TLS != "" {
		if err := pki.Write(tmp, s.Clients); err != nil {
			return nil, err
		}
		start, files = b.TLS.Start, b.TLS.Files
		args = append(args[:len(args):len(args)], "-tls", tmp, fmt.Sprintf("-mutual=%t", s.TLS == "mutual"))
	}
	if b.Logins {
		args = append(args[:len(args):len(args)], "-logins")
	}
	for n, t := range files {
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
	for _, a := range start {
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
	for i := 0; i < 1200 && !up; i++ { // it may have thousands of users to enter
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
	argv = append(argv, args...)
	lc := exec.Command(argv[0], argv[1:]...)
	lc.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var so bytes.Buffer
	lc.Stdout, lc.Stderr = &so, os.Stderr
	if err := lc.Start(); err != nil {
		return nil, err
	}
	t := time.AfterFunc(3*time.Minute, func() { lc.Process.Kill() })
	err = lc.Wait()
	t.Stop()
	var m row
	if bad := json.Unmarshal(so.Bytes(), &m); bad != nil {
		return nil, fmt.Errorf("the load generator said %.200q, expected a line of JSON: %w", so.String(), errors.Join(err, bad))
	}
	return m, nil // an error is in it
}

// clients is ${CLIENTS} for n of them.
func clients(n int) string {
	type client struct {
		File     string   `json:"file"`
		Policies []string `json:"policies"`
	}
	list := make([]client, n)
	for i := range list {
		list[i] = client{pki.ClientFile(i) + ".pem", []string{"all"}}
	}
	b, _ := json.Marshal(list) // texts only
	return string(b)
}

// users is ${USERS}, a JSON array of n of them.
func users(b Broker, n int) string {
	type user struct {
		Name     string   `json:"name"`
		Password string   `json:"password"`
		Policies []string `json:"policies,omitempty"`
	}
	list := make([]user, n)
	for i := range list {
		list[i] = user{Name: fleet.User(i), Password: fleet.Password}
		if b.Statements > 0 {
			list[i].Policies = []string{"fleet"}
		}
	}
	text, _ := json.Marshal(list) // texts only
	return string(text)
}

// policies is ${POLICIES}, a JSON object with the policy of the users, if they have one.
func policies(b Broker, s Scenario) (string, error) {
	all := map[string]fleet.Document{}
	if b.Statements > 0 {
		about := ""
		if b.Alike {
			about = s.kind()
		}
		d, err := fleet.Policy(b.Statements, about)
		if err != nil {
			return "", err
		}
		all["fleet"] = d
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// kind is what mqttload calls the scenario.
func (s Scenario) kind() string {
	if i := slices.Index(s.Args, "-scenario"); i >= 0 && i+1 < len(s.Args) {
		return s.Args[i+1]
	}
	return "pairs" // what it does unless told otherwise
}
