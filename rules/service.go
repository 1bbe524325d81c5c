package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/topic"
)

// Engine is what a hub needs of its rules. [Service] is one.
type Engine interface {
	// Put creates a rule or replaces the one of that name.
	Put(ctx context.Context, r Rule) error
	// Delete removes a rule. Messages that it has taken are worked all the same.
	Delete(ctx context.Context, name string) error
	// List yields the rules by their names.
	List(ctx context.Context) iter.Seq2[Rule, error]
	// Submit offers a message to the rules. It does not wait and calls no action; the
	// message may change when it has returned.
	Submit(ctx context.Context, m *actions.Message) error
	// Run works the messages until ctx ends.
	Run(ctx context.Context) error
}

// A Service is a rules engine. All methods may be called concurrently. A rule that was
// put, replaced, enabled, disabled or deleted is so for every message submitted
// afterwards; one that was submitted before is worked by the rule that it matched.
type Service struct {
	cfg          Config
	given        Delivery // Config.Delivery without defaults
	began        time.Time
	host         actions.Host
	files        *actions.Files
	exprs        *exprCompiler
	exprLanguage *exprLanguage
	places       destinations

	// What messages go by. It is read without a lock: change is odd while it changes.
	filters  topic.Tree[revision] // by FROM
	names    topic.Tree[revision] // by the rule's name
	change   atomic.Uint64
	plans    atomic.Pointer[planCache]
	swapping sync.Mutex

	mu        sync.Mutex // held while rules are changed, which may take as long as the store
	rules     map[string]*rule
	revisions atomic.Uint64

	crew       crew
	census     census
	closed     atomic.Bool
	drained    chan struct{} // closed when closed and nothing is pending
	draining   sync.Once
	stop       chan struct{} // closed to end Run
	stopping   sync.Once
	abandoning sync.Once
	keeping    sync.Once
	kept       int64 // by keeping
	keepErr    error

	notFound atomic.Uint64
	executed atomic.Uint64 // by rules that were deleted

	backlog  backlog
	restored atomic.Int64 // items of the backlog that are not done
}

// A rule is what stays over its revisions.
type rule struct {
	name string

	// Under Service.mu.
	record   Rule
	saved    int64     // the revision in the store, 0 if it is not there
	revision *revision // nil if the rule is broken

	active   *revision // under Service.swapping: what is in the trees
	counters ruleCounters
	load     load
	gone     atomic.Bool  // it was deleted
	spilled  atomic.Int64 // on their way to the error action although the queue is full
	tracks   atomic.Pointer[trackSet]
	warned   [warnings]atomic.Bool
	noting   sync.Mutex  // guards item.trouble, and the next
	retired  []*trackSet // former ones with work, until they have none
}

// New returns a service with the rules of its store. A rule that cannot work any more is
// kept, but broken, and logged. An error names the field of Config that is to blame, or
// tells what the store said. The service starts nothing; see [Service.Run].
func New(cfg Config) (*Service, error) {
	given := cfg.Delivery
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, given: given, began: time.Now(), rules: map[string]*rule{}, drained: make(chan struct{}), stop: make(chan struct{}), exprs: newExprCompiler(&cfg), exprLanguage: &exprLanguage{}}
	s.plans.Store(&planCache{})
	s.host = actions.Host{
		Publisher: cfg.Publisher, Shadows: cfg.Shadows, Logger: cfg.Logger,
		Web: &actions.Web{Client: cfg.Web.Client, Signer: cfg.Web.Signer, Plain: cfg.Web.AllowPlain},
	}
	if !cfg.Web.AllowUnconfirmed {
		s.host.Web.Enabled = s.destinationEnabled
	}
	if cfg.Files != "" {
		if s.files, err = actions.OpenFiles(cfg.Files); err != nil {
			return nil, fmt.Errorf("rules: Config.Files: %w", err)
		}
		s.host.Files = s.files
	}
	ctx := context.Background()
	if err := errors.Join(s.loadDestinations(ctx), s.loadBacklog(ctx), s.loadRules(ctx)); err != nil {
		if s.files != nil {
			_ = s.files.Close()
		}
		return nil, err
	}
	return s, nil
}

// loadRules reads the rules of the store.
func (s *Service) loadRules(ctx context.Context) error {
	for rec, err := range s.cfg.Store.All(ctx, RuleRecord) {
		if err != nil {
			return fmt.Errorf("rules: read the rules: %w", err)
		}
		var stored storedRule
		if err := json.Unmarshal(rec.Document, &stored); err != nil {
			return fmt.Errorf("rules: the record of rule %s is damaged: %w", rec.Name, err)
		}
		rl := &rule{name: rec.Name, saved: rec.Revision}
		r, err := s.DecodeRule(rec.Name, stored.Rule)
		r.Name, r.Created = rec.Name, stored.Created
		if err == nil {
			rl.revision, err = s.compile(&r, s.options())
		}
		if err != nil {
			s.cfg.Logger.Warn("rules: a rule cannot work any more", "rule", rec.Name, "err", err)
			r.Broken = err
		}
		rl.record = r
		s.rules[rec.Name] = rl
		s.census.add(rl)
		s.restore(rl)
		s.activate(rl)
	}
	return nil
}

// ARN returns the resource name of a rule, whether there is one or not.
func (s *Service) ARN(name string) string { return s.cfg.Scope.IoT("rule/" + name) }

type putMode uint8

const (
	putEither putMode = iota
	putCreate
	putReplace
)

// Put creates a rule or replaces the one of that name. The rule takes effect when Put
// returns; if it returns an error nothing has changed.
//
// A rule whose actions all have a form in JSON (see actions.Decode) is kept in the
// store. One with a Go function lives as long as the process: the host puts it again
// when it starts.
//
// What can never yield a value in the rule is logged; Get tells it, see [Rule].Warnings.
//
// Errors are an [Error]: ErrInvalid, ErrSQL with the position of the mistake,
// ErrLimitExceeded, ErrVersion if others changed the store. Or what the store said.
func (s *Service) Put(ctx context.Context, r Rule) error { return s.put(ctx, r, putEither) }

// Create is Put for a rule that must not exist: else the error is ErrExists.
func (s *Service) Create(ctx context.Context, r Rule) error { return s.put(ctx, r, putCreate) }

// Replace is Put for a rule that must exist: else the error is ErrNotFound.
func (s *Service) Replace(ctx context.Context, r Rule) error { return s.put(ctx, r, putReplace) }

func (s *Service) put(ctx context.Context, r Rule, mode putMode) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	r = r.clone()
	r.Broken = nil
	rev, err := s.compile(&r, s.options())
	if err != nil {
		return err
	}
	if err := s.commit(ctx, r, rev, mode); err != nil {
		return err
	}
	for _, w := range r.Warnings {
		s.cfg.Logger.Warn("rules: a part of a rule can never yield a value", "rule", r.Name, "where", w.Message)
	}
	s.needDestinations(ctx, &r)
	return nil
}

func (s *Service) commit(ctx context.Context, r Rule, rev *revision, mode putMode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rl := s.rules[r.Name]
	switch {
	case s.closed.Load():
		return ErrClosed
	case rl != nil && mode == putCreate:
		return &Error{Kind: ErrExists, Message: fmt.Sprintf("rule %s exists already", r.Name)}
	case rl == nil && mode == putReplace:
		return notFound("rule", r.Name)
	case rl == nil && s.cfg.MaxRules >= 0 && len(s.rules) >= s.cfg.MaxRules:
		return &Error{Kind: ErrLimitExceeded, Message: fmt.Sprintf("there are %d rules, which is the limit", len(s.rules))}
	case rl == nil:
		rl = &rule{name: r.Name}
		r.Created = time.Now()
	default:
		r.Created = rl.record.Created
	}
	if err := s.save(ctx, rl, r); err != nil {
		return err
	}
	if rl.revision != nil {
		rev.inherit(rl.revision)
	}
	rl.record, rl.revision = r, rev
	for i := range rl.warned {
		rl.warned[i].Store(false)
	}
	s.rules[r.Name] = rl
	s.census.add(rl)
	s.restore(rl)
	s.activate(rl)
	return nil
}

// save writes a rule to the store, or takes it out if it has no form in JSON. The
// caller holds s.mu.
func (s *Service) save(ctx context.Context, rl *rule, r Rule) error {
	document, whole, err := s.EncodeRule(r)
	if err != nil {
		return err
	}
	if !whole {
		return s.unsave(ctx, rl)
	}
	if _, err := s.DecodeRule(rl.name, document); err != nil {
		return err // it would be broken when it is read again
	}
	document, err = marshal(storedRule{Created: r.Created, Rule: document})
	if err != nil {
		return err
	}
	if err := s.cfg.Store.Save(ctx, RuleRecord, Record{Name: rl.name, Revision: rl.saved + 1, Document: document}); err != nil {
		return storeError("write rule "+rl.name, err)
	}
	rl.saved++
	return nil
}

func (s *Service) unsave(ctx context.Context, rl *rule) error {
	if rl.saved == 0 {
		return nil
	}
	if err := s.cfg.Store.Delete(ctx, RuleRecord, rl.name, rl.saved); err != nil && !errors.Is(err, ErrNotFound) {
		return storeError("delete rule "+rl.name, err)
	}
	rl.saved = 0
	return nil
}

func storeError(what string, err error) error {
	if errors.Is(err, ErrVersion) {
		return &Error{Kind: ErrVersion, Message: what + ": it was changed by others meanwhile", Err: err}
	}
	return fmt.Errorf("rules: %s: %w", what, err)
}

// activate makes the trees have what they ought to have of a rule. The caller holds
// s.mu, or is New.
func (s *Service) activate(rl *rule) {
	next := rl.revision
	if next != nil {
		if next.rule == nil { // restore may have begun work
			next.rule = rl
		}
		if rl.record.Disabled {
			next = nil
		}
	}
	s.swap(rl, next)
}

// swap changes the trees, for every reader at once.
func (s *Service) swap(rl *rule, next *revision) {
	s.swapping.Lock()
	defer s.swapping.Unlock()
	s.change.Add(1)
	if was := rl.active; was != nil {
		if f, ok := was.program.filter(); ok {
			s.filters.Remove(f, was)
		}
		s.names.Remove(rl.name, was)
	}
	if next != nil {
		if f, ok := next.program.filter(); ok {
			s.filters.Add(f, next)
		}
		s.names.Add(rl.name, next)
	}
	rl.active = next
	s.change.Add(1)
	s.plans.Store(&planCache{})
}

// Get returns a rule, or ErrNotFound.
func (s *Service) Get(ctx context.Context, name string) (Rule, error) {
	if err := ctx.Err(); err != nil {
		return Rule{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rl := s.rules[name]
	if rl == nil {
		return Rule{}, notFound("rule", name)
	}
	return rl.record.clone(), nil
}

// List yields the rules as they were when it began, by their names.
func (s *Service) List(ctx context.Context) iter.Seq2[Rule, error] {
	return func(yield func(Rule, error) bool) {
		s.mu.Lock()
		list := make([]Rule, 0, len(s.rules))
		for _, name := range slices.Sorted(maps.Keys(s.rules)) {
			list = append(list, s.rules[name].record.clone())
		}
		s.mu.Unlock()
		for _, r := range list {
			if err := ctx.Err(); err != nil {
				yield(Rule{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Delete removes a rule, or returns ErrNotFound. Messages that it has taken are worked
// all the same.
func (s *Service) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rl := s.rules[name]
	if rl == nil {
		return notFound("rule", name)
	}
	if s.closed.Load() {
		return ErrClosed
	}
	if err := s.unsave(ctx, rl); err != nil {
		return err
	}
	s.swap(rl, nil)
	delete(s.backlog.waiting, name)
	delete(s.rules, name)
	s.census.remove(rl)
	matched, _ := rl.counted()
	s.executed.Add(matched - rl.counters.hops.Load())
	return nil
}

// Enable makes a rule get messages again, or returns ErrNotFound.
func (s *Service) Enable(ctx context.Context, name string) error { return s.disable(ctx, name, false) }

// Disable makes a rule get no more messages, or returns ErrNotFound. Messages that it has
// taken are worked all the same.
func (s *Service) Disable(ctx context.Context, name string) error { return s.disable(ctx, name, true) }

func (s *Service) disable(ctx context.Context, name string, disabled bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rl := s.rules[name]
	switch {
	case rl == nil:
		return notFound("rule", name)
	case s.closed.Load():
		return ErrClosed
	case rl.record.Disabled == disabled:
		return nil
	}
	r := rl.record
	r.Disabled = disabled
	if r.Broken == nil {
		// The record of a broken rule stays as it is: it may hold what we cannot read.
		if err := s.save(ctx, rl, r); err != nil {
			return err
		}
	}
	rl.record = r
	s.activate(rl)
	return nil
}
