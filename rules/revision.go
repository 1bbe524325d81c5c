package rules

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/topic"
	"github.com/thinghub/thinghub/rules/sql"
)

const (
	maxActions     = actions.MaxTopicRuleActions
	maxName        = 128
	maxDescription = 4096
	errorField     = "errorAction"
)

// A revision is a rule as it was put: compiled, and immutable. Messages that a revision
// matched are worked by it, whatever happens to the rule meanwhile.
type revision struct {
	rule     *rule
	id       uint64 // tells revisions apart in the keys of plans
	program  program
	late     bool // the program may wait, so a worker evaluates it
	early    bool // some action has texts that are rendered when a message passes
	through  bool // every message passes as it is, and no text is rendered before it waits
	steps    []*step
	onError  *step // nil if there is none
	dead     *step // gets the reports that onError does not take; nil if there is none
	delivery Delivery
	given    Delivery // what the rule and the configuration say, without defaults
	alone    *planSet // of this revision
}

// A step is one action of a revision.
type step struct {
	index    int // actions.ErrorAction for the error action
	action   actions.Action
	batcher  actions.Batcher // nil if it takes one event at a time
	batch    actions.Batch
	kind     string
	resource func(ev actions.Event) string
	params   []param
	fixed    []string // the texts, if there is nothing to render
	early    bool     // some text is rendered when the message passes
	late     bool     // some text is rendered by a worker, because that may wait
	retry    actions.Retry
	sink     *actions.Sink // nil if it has none
	counters *actionCounters
	failing  atomic.Bool // the last event failed, which was logged
	warnings []*Error    // about its texts
}

// A param is a text of an action.
type param struct {
	actions.Param
	template template
}

// failedAction is what a report of failures calls the action: RepublishAction.
func (st *step) failedAction() string {
	return strings.ToUpper(st.kind[:1]) + st.kind[1:] + "Action"
}

// checkName reports a name that no rule can have.
func checkName(name string) error {
	ok := name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
	if !ok {
		if len(name) > maxName {
			name = name[:maxName]
		}
		return invalid("ruleName", "is %q, expected 1 to 128 letters, digits and underscores", name)
	}
	return nil
}

// language compiles the text of a rule.
func (s *Service) program(r *Rule, o sql.Options) (program, error) {
	switch {
	case r.Expr != nil && r.SQL != "":
		return nil, invalid("sql", "is there beside expr, expected one of them")
	case r.Expr != nil && r.Version != "":
		return nil, invalid("awsIotSqlVersion", "is there beside expr, expected neither")
	case r.Expr != nil:
		p, field, err := s.exprs.program(*r.Expr, s.exprLanguage)
		if err != nil {
			return nil, refused(field, err)
		}
		return p, nil
	}
	switch r.Version {
	case "":
		r.Version = V2016
	case V2015, V2016, Beta:
	default:
		return nil, invalid("awsIotSqlVersion", "is %q, expected %s, %s or %s", r.Version, V2015, V2016, Beta)
	}
	o.Version = r.Version
	statement, err := sql.Compile(r.SQL, o)
	if err != nil {
		return nil, refused("sql", err)
	}
	if f, ok := statement.Filter(); ok {
		if err := topic.CheckFilter(f); err != nil {
			return nil, refused("sql", err)
		}
	}
	return &sqlProgram{statement, o}, nil
}

// options are those of statements.
func (s *Service) options() sql.Options {
	return sql.Options{Account: s.cfg.Scope.Account, Functions: s.cfg.Functions, Expr: s.exprs.embed, Externals: s.cfg.Externals}
}

// compile makes a revision of a rule, and fills in what r leaves to defaults. Nothing is
// changed if there is an error.
func (s *Service) compile(r *Rule, o sql.Options) (*revision, error) {
	if len(r.Description) > maxDescription {
		return nil, invalid("description", "has %d bytes, expected at most %d", len(r.Description), maxDescription)
	}
	if len(r.Actions) > maxActions {
		return nil, invalid("actions", "has %d items, expected at most %d", len(r.Actions), maxActions)
	}
	if err := r.Delivery.check("delivery"); err != nil {
		return nil, err
	}
	p, err := s.program(r, o)
	if err != nil {
		return nil, err
	}
	r.Filter, _ = p.filter()
	r.Warnings = warningsOf(nil, "sql", p.warnings())
	rev := &revision{program: p, late: p.callsOut(), id: s.revisions.Add(1), delivery: r.Delivery.or(s.cfg.Delivery), given: r.Delivery.or(s.given)}
	if rev.delivery.Reserve == 0 {
		rev.delivery.Reserve = rev.delivery.Queue
	}
	rev.delivery.Reserve = max(rev.delivery.Reserve, 0)
	for i, a := range r.Actions {
		st, err := s.step(rev, fmt.Sprintf("actions[%d]", i), i, a)
		if err != nil {
			return nil, err
		}
		rev.steps = append(rev.steps, st)
		rev.early = rev.early || st.early
	}
	rev.through = p.passesAll() && !rev.late && !rev.early
	if r.ErrorAction != nil {
		if rev.onError, err = s.step(rev, errorField, actions.ErrorAction, r.ErrorAction); err != nil {
			return nil, err
		}
		rev.onError.batcher = nil // one report at a time
	}
	if s.cfg.DeadLetters != nil {
		if rev.dead, err = s.step(rev, "Config.DeadLetters", actions.ErrorAction, s.cfg.DeadLetters); err != nil {
			return nil, err
		}
		rev.dead.batcher = nil
		if rev.onError == nil {
			rev.onError, rev.dead = rev.dead, nil
		}
	}
	rev.alone = newPlanSet([]*revision{rev})
	for _, st := range rev.steps {
		r.Warnings = append(r.Warnings, st.warnings...)
	}
	if rev.onError != nil {
		r.Warnings = append(r.Warnings, rev.onError.warnings...)
	}
	return rev, nil
}

// warningsOf appends what a compiler says about a part of a rule.
func warningsOf(list []*Error, field string, warnings []*sql.Error) []*Error {
	for _, w := range warnings {
		list = append(list, refused(field, w).(*Error)) //nolint:errorlint,forcetypeassert // it is one
	}
	return list
}

// step prepares an action.
func (s *Service) step(rev *revision, field string, index int, a actions.Action) (*step, error) {
	if a == nil || reflect.ValueOf(a).Kind() == reflect.Func && reflect.ValueOf(a).IsNil() {
		return nil, invalid(field, "is nil")
	}
	st := &step{index: index, action: a, kind: kind(a), resource: func(actions.Event) string { return "" }}
	if n, ok := a.(actions.Named); ok {
		st.resource = n.Resource
		if _, shown := s.cfg.Kinds[st.kind]; shown {
			field += "." + st.kind
		}
	}
	if c, ok := a.(actions.Checker); ok {
		if err := c.Check(); err != nil {
			return nil, refused(field, err)
		}
	}
	if h, ok := a.(actions.Hosted); ok {
		hosted, err := h.On(s.host)
		if err != nil {
			return nil, refused(field, err)
		}
		st.action = hosted
	}
	if t, ok := a.(actions.Templated); ok {
		for _, p := range t.Params() {
			compiled, err := rev.program.template(p.Text, index == actions.ErrorAction)
			if err != nil {
				return nil, refused(field+"."+p.Name, err)
			}
			st.params = append(st.params, param{p, compiled})
			st.warnings = warningsOf(st.warnings, field+"."+p.Name, compiled.Warnings())
			st.late = st.late || compiled.CallsOut()
			st.early = st.early || !compiled.CallsOut()
		}
		st.fix()
	}
	if b, ok := st.action.(actions.Batcher); ok {
		if batch := b.Batch(); batch.Events > 1 {
			st.batcher, st.batch = b, batch
		}
	}
	if r, ok := st.action.(actions.Retrier); ok {
		st.retry = r.Retry()
	}
	if x, ok := st.action.(actions.Sinked); ok {
		st.sink = x.Sink()
	}
	if st.sink != nil {
		st.retry = orRetry(st.retry, orRetry(rev.given.Retry, actions.SinkRetry))
	}
	st.retry = orRetry(st.retry, rev.delivery.Retry)
	st.counters = &actionCounters{}
	return st, nil
}

// fix notes the texts of an action if they are always the same.
func (st *step) fix() {
	texts := make([]string, len(st.params))
	for i, p := range st.params {
		if !p.template.Constant() || p.JSON || p.Text == "" && !p.Optional {
			return
		}
		texts[i] = p.Text
	}
	st.fixed, st.early = texts, false
}

// across reports that the action has one lane for all topics.
func (st *step) across() bool {
	return st.batcher != nil && st.batch.AcrossTopics && !st.batch.Parallel
}

// kind names an action: by itself, or by its type.
func kind(a actions.Action) string {
	if n, ok := a.(actions.Named); ok {
		if k := n.Kind(); k != "" {
			return k
		}
	}
	t := reflect.TypeOf(a)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() == "" {
		return "unnamed"
	}
	return t.Name()
}

// inherit takes over the counters of an earlier revision, where the actions are of the
// same kind.
func (rev *revision) inherit(before *revision) {
	for i, st := range rev.steps {
		if i < len(before.steps) && before.steps[i].kind == st.kind {
			st.counters = before.steps[i].counters
		}
	}
	if rev.onError != nil && before.onError != nil && rev.onError.kind == before.onError.kind {
		rev.onError.counters = before.onError.counters
	}
}

// render renders the texts of an action that are due: those that may wait if late,
// otherwise the others. texts is nil or has the others.
func (st *step) render(text func(template) (string, bool, error), bound func(template) ([]byte, error), texts []string, late bool) ([]string, error) {
	if len(st.params) == 0 {
		return nil, nil
	}
	if texts == nil {
		texts = make([]string, len(st.params))
	}
	var failed error
	for i := range st.params {
		p := &st.params[i]
		if p.template.CallsOut() != late {
			continue
		}
		var err error
		undefined := false
		if p.JSON {
			var b []byte
			if b, err = bound(p.template); b == nil {
				undefined, b = true, []byte("null")
			}
			texts[i] = string(b)
		} else {
			texts[i], undefined, err = text(p.template)
			undefined = undefined || texts[i] == ""
		}
		switch {
		case failed != nil:
		case err != nil:
			failed = actions.Permanent(fmt.Errorf("%s: %w", p.Name, err))
		case undefined && !p.Optional:
			failed = actions.Permanent(emptyParam(p))
		}
	}
	return texts, failed
}

// renderEarly renders the texts that cannot wait, of all actions. It returns what their
// jobs get of it, nil if that is nothing.
func (rev *revision) renderEarly(ctx context.Context, r run, at int) []*extras {
	if !rev.early {
		return nil
	}
	more := make([]*extras, len(rev.steps))
	for i, st := range rev.steps {
		if st.early {
			x := &extras{}
			x.params, x.failed = st.render(
				func(t template) (string, bool, error) { return r.Text(ctx, at, t) },
				func(t template) ([]byte, error) { return r.JSON(ctx, at, t) }, nil, false)
			more[i] = x
		}
	}
	return more
}

func emptyParam(p *param) error {
	return fmt.Errorf("%s is empty: %q has no value for this message", p.Name, p.Text)
}

var errPanic = errors.New("panic")
