package rules_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// logbook is a log that tests can read.
type logbook struct {
	mu    sync.Mutex
	lines []string
	level slog.Level
}

func (l *logbook) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *logbook) WithGroup(string) slog.Handler                    { return l }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "stack" {
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// with returns the lines that contain a text.
func (l *logbook) with(text string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// rig is a service that runs, in a bubble.
type rig struct {
	*rules.Service
	t   *testing.T
	log *logbook
}

// start makes a service and runs it until the test ends.
func start(t *testing.T, cfg rules.Config) *rig {
	t.Helper()
	r := idle(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	return r
}

// idle makes a service that nobody runs.
func idle(t *testing.T, cfg rules.Config) *rig {
	t.Helper()
	r := &rig{t: t, log: &logbook{}}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(r.log)
	}
	s, err := rules.New(cfg)
	require.NoError(t, err)
	r.Service = s
	return r
}

// put puts a rule.
func (r *rig) put(rule rules.Rule) {
	r.t.Helper()
	require.NoError(r.t, r.Put(r.t.Context(), rule))
}

// submit submits a message.
func (r *rig) submit(m actions.Message) {
	r.t.Helper()
	require.NoError(r.t, r.Submit(r.t.Context(), &m))
}

// send submits a message of QoS 0.
func (r *rig) send(topic, payload string) {
	r.t.Helper()
	r.submit(actions.Message{Topic: topic, Payload: []byte(payload), Protocol: actions.ProtocolMQTT, ClientID: "client"})
}

// metrics returns the counters of a rule.
func (r *rig) metrics(name string) rules.RuleMetrics {
	r.t.Helper()
	m, ok := r.Metrics().Rules[name]
	require.True(r.t, ok, "there is no rule %s", name)
	return m
}

// payloads returns what a recorder got.
func payloads(rec *actions.Recorder) (list []string) {
	for _, ev := range rec.Events() {
		list = append(list, string(ev.Payload))
	}
	return list
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// quick are retries that a test can count.
var quick = actions.Retry{Tries: 3, Backoff: time.Second, MaxBackoff: time.Minute, MaxAge: time.Hour, Timeout: 10 * time.Second}

// refuse is an action that always fails.
func refuse(err error) actions.Func {
	return func(context.Context, actions.Event) error { return err }
}

// settle lets time pass and waits until nothing is going on.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// publisher takes what rules publish.
type publisher struct {
	mu   sync.Mutex
	list []string
	pass func(p *actions.Publication)
}

func (p *publisher) Publish(_ context.Context, m *actions.Publication) error {
	p.mu.Lock()
	p.list = append(p.list, m.Topic+" "+string(m.Payload))
	p.mu.Unlock()
	if p.pass != nil {
		p.pass(m)
	}
	return nil
}

func (p *publisher) sent() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.list...)
}
