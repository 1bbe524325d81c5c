package actions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// A Sinked action goes to a [Sink], which it may share with others. Its events wait while
// that is down, instead of using up their tries, and are retried for longer than those of
// other actions: [SinkRetry].
type Sinked interface {
	Action
	// Sink is always the same one.
	Sink() *Sink
}

// SinkRetry is how the events of a [Sinked] action are retried where neither the action
// nor the rule nor the configuration says otherwise: what does not fail for good is tried
// until the message is an hour old. So it is the rule's queue that bounds how long an
// outage may be, and what it holds is written in its order.
var SinkRetry = Retry{Tries: 1_000_000, Backoff: 100 * time.Millisecond, MaxBackoff: 5 * time.Second, MaxAge: time.Hour, Timeout: 10 * time.Second}

// ErrSinkDown is in the chain of the error of an event that was given up while its sink
// was down, without another try.
var ErrSinkDown = errors.New("actions: the sink is down")

// A Sink is the far end of actions, a database, a broker or a service, with its health. It
// is a circuit breaker: after some calls in a row that failed for another reason than
// their events ([Permanent], [SinkWorks]) it is down, and no call is made. After a pause, which doubles
// with each time and is random by half, one caller tries; when that succeeds, all go on.
//
// A sink is made once for each connection, pool or client, and shared by its actions. All
// methods may be called concurrently. The engine calls Await and Done; hosts read Health.
type Sink struct {
	cfg SinkConfig

	mu      sync.Mutex
	health  SinkHealth
	row     int           // calls that failed since one did not
	pauses  int           // since it was up
	next    time.Time     // when somebody may try, while it is down
	trying  bool          // somebody does
	changed chan struct{} // closed when the above changes; nil if nobody waits
}

// SinkConfig configures a [Sink]. What is 0 has its default.
type SinkConfig struct {
	// Kind is the kind of its actions, such as "postgres".
	Kind string
	// Name tells sinks of a kind apart: in health, metrics, logs and in the JSON of
	// rules, where an action names it as "sink". Default "default".
	Name string
	// Failures is how many calls in a row must fail for the sink to be down. Default 3;
	// negative: it never is.
	Failures int
	// Pause is how long nobody tries when the sink went down, MaxPause what that grows
	// to. Defaults 500 ms and 15 s.
	Pause, MaxPause time.Duration
	// Probe, if it is set, asks the far end whether it works, instead of risking an
	// event: it is called after a pause, with a deadline of 10 seconds.
	Probe func(ctx context.Context) error
	// Logger is told when the sink goes down and when it works again. Default
	// slog.Default().
	Logger *slog.Logger
}

// SinkHealth says how a sink is.
type SinkHealth struct {
	Kind, Name string
	// Down says that the last calls failed and that events wait.
	Down bool
	// Since is when that began, or ended; zero if it was never down.
	Since time.Time
	// Err is why the last call that failed did, nil if none did. It stays when the sink
	// is up again, from ErrAt.
	Err   error
	ErrAt time.Time
	// Calls is how many calls there were, Failures how many of them failed, those not
	// counted that failed for their events.
	Calls, Failures uint64
	// Events is how many events the far end has taken.
	Events uint64
	// Downs is how often the sink went down.
	Downs uint64
	// Waiting is how many callers wait for it to be up.
	Waiting int
}

const probeTime = 10 * time.Second

var errProbeExited = errors.New("the probe of the sink ended its goroutine")

// NewSink returns a sink that is up.
func NewSink(cfg SinkConfig) *Sink {
	if cfg.Name == "" {
		cfg.Name = "default"
	}
	if cfg.Failures == 0 {
		cfg.Failures = 3
	}
	if cfg.Pause <= 0 {
		cfg.Pause = 500 * time.Millisecond
	}
	if cfg.MaxPause <= 0 {
		cfg.MaxPause = 15 * time.Second
	}
	cfg.MaxPause = max(cfg.MaxPause, cfg.Pause)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Sink{cfg: cfg, health: SinkHealth{Kind: cfg.Kind, Name: cfg.Name}}
}

// Kind is that of the configuration.
func (s *Sink) Kind() string { return s.cfg.Kind }

// Name is that of the configuration, "default" if it has none.
func (s *Sink) Name() string { return s.cfg.Name }

// Health returns how the sink is now.
func (s *Sink) Health() SinkHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health
}

// Await waits until a call may be made; nil means that the caller makes one now and
// reports it with [Sink.Done]. Otherwise the error is that of ctx, or after within, with
// [ErrSinkDown] in its chain, why the sink is down.
func (s *Sink) Await(ctx context.Context, within time.Duration) error {
	s.mu.Lock()
	if !s.health.Down {
		s.mu.Unlock()
		return nil
	}
	s.health.Waiting++
	defer func() {
		s.health.Waiting--
		s.mu.Unlock()
	}()
	over := time.NewTimer(max(within, 0))
	defer over.Stop()
	for s.health.Down {
		pause := time.Until(s.next)
		if !s.trying && pause <= 0 {
			s.trying = true
			if s.probe(ctx) {
				return nil
			}
			if ctx.Err() != nil { // which is why the probe failed, and so nobody rests
				return context.Cause(ctx)
			}
			continue
		}
		if err := s.sleep(ctx, over.C, pause); err != nil {
			return err
		}
	}
	return nil
}

// probe asks the far end, if it can be asked, and reports whether the caller is to make a
// call: with trying set if there was nobody to ask. It unlocks s.mu meanwhile.
func (s *Sink) probe(ctx context.Context) bool {
	if s.cfg.Probe == nil {
		return true
	}
	s.mu.Unlock()
	asked, cancel := context.WithTimeout(ctx, probeTime)
	err := errProbeExited
	defer func() { // also if the goroutine ends
		cancel()
		s.mu.Lock()
		s.trying = false
		switch {
		case err == nil:
			s.up()
		case ctx.Err() == nil:
			s.failed(err)
			s.rest()
		default:
			s.tell()
		}
	}()
	err = s.ask(asked)
	return false // the loop looks again
}

// ask calls Probe, which is code of the host's.
func (s *Sink) ask(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the probe of the sink panicked: %v", p)
		}
	}()
	return s.cfg.Probe(ctx)
}

// sleep waits for a change, a pause, the end of ctx or that it is over. It unlocks s.mu
// meanwhile.
func (s *Sink) sleep(ctx context.Context, over <-chan time.Time, pause time.Duration) error {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	changed, waits := s.changed, (<-chan time.Time)(nil)
	if !s.trying {
		t := time.NewTimer(pause)
		defer t.Stop()
		waits = t.C
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-waits:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-over:
		return s.downError()
	}
}

func (s *Sink) downError() error {
	h := s.Health()
	return fmt.Errorf("%w: %s %s since %s: %w", ErrSinkDown, h.Kind, h.Name, h.Since.Format(time.RFC3339), h.Err)
}

// Done reports a call that Await allowed: how many events the far end has taken, and the
// error of the call, or of its events if all of them failed. An error that is [Permanent],
// or marked with [SinkWorks], says that the far end works. Abandoned calls, those whose context ended before their
// time, are reported with context.Canceled: they say nothing.
func (s *Sink) Done(events int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health.Calls++
	s.health.Events += uint64(max(events, 0))
	was := s.trying
	s.trying = false
	switch {
	case errors.Is(err, context.Canceled):
		if was {
			s.tell()
		}
	case err == nil || worksAfter(err):
		s.up()
	default:
		s.health.Failures++
		s.failed(err)
		s.row++
		if s.health.Down || s.cfg.Failures > 0 && s.row >= s.cfg.Failures {
			s.rest()
		}
	}
}

// worksAfter reports that a call that failed with err shows that the far end works.
func worksAfter(err error) bool {
	return errors.Is(err, ErrPermanent) || errors.Is(err, ErrSinkWorks)
}

// The rest is called with s.mu.

func (s *Sink) failed(err error) { s.health.Err, s.health.ErrAt = err, time.Now() }

// up notes that the far end works.
func (s *Sink) up() {
	s.row, s.pauses = 0, 0
	if s.health.Down {
		now := time.Now()
		s.cfg.Logger.Info("actions: a sink works again", "kind", s.cfg.Kind, "sink", s.cfg.Name, "after", now.Sub(s.health.Since).Round(time.Millisecond))
		s.health.Down, s.health.Since = false, now
		s.tell()
	}
}

// rest begins a pause. Calls that were under way when the last one began change nothing.
func (s *Sink) rest() {
	now := time.Now()
	switch {
	case !s.health.Down:
		s.health.Down, s.health.Since = true, now
		s.health.Downs++
		s.cfg.Logger.Warn("actions: a sink is down", "kind", s.cfg.Kind, "sink", s.cfg.Name, "err", s.health.Err)
	case now.Before(s.next):
		return
	}
	pause := s.cfg.Pause
	for i := 0; i < s.pauses && pause < s.cfg.MaxPause; i++ {
		pause *= 2
	}
	pause = min(pause, s.cfg.MaxPause)
	s.pauses++
	s.next = now.Add(pause/2 + rand.N(pause/2+1))
	s.tell()
}

// tell wakes those that wait.
func (s *Sink) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
