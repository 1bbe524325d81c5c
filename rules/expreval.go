package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr/vm"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// exprLanguage is the language of [Expr]. Its address tells it from others.
type exprLanguage struct{ _ byte }

func (l *exprLanguage) plan(ps []program) plan {
	p := &exprPlan{programs: make([]*exprProgram, len(ps))}
	for i := range ps {
		p.programs[i] = ps[i].(*exprProgram)
	}
	return p
}

type exprPlan struct{ programs []*exprProgram }

func (p *exprPlan) begin(m *actions.Message, _ *sql.Run) run {
	r := exprRuns.Get().(*exprRun)
	r.plan, r.m = p, m
	return r
}

// exprRun evaluates expressions on one message. What they look at is prepared once.
type exprRun struct {
	plan *exprPlan
	m    *actions.Message
	env  map[string]any
	vm   vm.VM

	ledger ledger
	spent  int // steps, of all evaluations
}

var exprRuns = sync.Pool{New: func() any { return &exprRun{env: map[string]any{}} }}

// End gives the run's memory back.
func (r *exprRun) End() {
	clear(r.env)
	clear(r.vm.Stack[:cap(r.vm.Stack)])
	clear(r.vm.Variables)
	r.plan, r.m, r.spent = nil, nil, 0
	exprRuns.Put(r)
}

// prepare puts what is used into the environment.
func (r *exprRun) prepare(uses exprUses) error {
	for name := range uses {
		if _, ok := r.env[name]; ok {
			continue
		}
		v, err := value(r.m, name)
		if err != nil {
			return err
		}
		r.env[name] = v
	}
	return nil
}

// value returns what a name means for a message.
func value(m *actions.Message, name string) (any, error) {
	switch name {
	case "topic":
		return ingested(m.Topic), nil
	case "segments":
		return strings.Split(ingested(m.Topic), "/"), nil
	case "clientId":
		return m.ClientID, nil
	case "traceId":
		return m.TraceID.String(), nil
	case "principal":
		return m.Principal, nil
	case "sourceIp":
		return m.Source(), nil
	case "contentType":
		return m.ContentType, nil
	case "responseTopic":
		return m.ResponseTopic, nil
	case "qos":
		return int(m.QoS), nil
	case "timestamp":
		if m.Time.IsZero() {
			return int(time.Now().UnixMilli()), nil
		}
		return int(m.Time.UnixMilli()), nil
	case "text":
		return string(m.Payload), nil
	case "payload":
		if len(m.Payload) == 0 {
			return map[string]any{}, nil
		}
		v, err := decodeJSON(m.Payload)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", sql.ErrPayload, err)
		}
		return v, nil
	case "userProperties":
		list := []map[string]any{}
		if m.UserProperties != nil {
			for k, v := range m.UserProperties {
				list = append(list, map[string]any{"key": k, "value": v})
			}
		}
		return list, nil
	}
	return nil, nil // a function's name
}

// evaluate evaluates one expression within its budgets. They grow with the payload: to go
// through all of it must be possible.
func (r *exprRun) evaluate(code *exprCode, c *exprCompiler) (any, error) {
	if err := r.prepare(code.uses); err != nil {
		return nil, err
	}
	size := len(r.m.Payload)
	steps := int(min(c.steps, mostBudget)) + stepsOfByte*size
	r.ledger = ledger{steps: steps, memory: int(min(c.memory, mostBudget)) + size/bytesOfWord}
	r.env[ledgerName] = &r.ledger
	r.vm.MemoryBudget = uint(r.ledger.memory)
	v, err := r.vm.Run(code.program, r.env)
	r.spent += steps - r.ledger.steps
	if err != nil {
		return nil, code.failed(err)
	}
	return v, nil
}

// What each byte of the payload adds to the budgets: stepsOfByte steps, and an element of
// an array for bytesOfWord of them.
const (
	stepsOfByte = 2
	bytesOfWord = 8
	mostBudget  = math.MaxInt / 8
)

// encode appends a value that was evaluated last as JSON, within the steps that are left:
// an array may have another one in it very often.
func (r *exprRun) encode(dst []byte, v any) ([]byte, error) {
	if err := r.ledger.weigh(v, 0); err != nil {
		return nil, err
	}
	return appendJSON(dst, v)
}

// Eval evaluates where and select.
func (r *exprRun) Eval(_ context.Context, i int) (sql.Result, error) {
	p := r.plan.programs[i]
	if p.where != nil {
		v, err := r.evaluate(p.where, p.c)
		if err != nil {
			return sql.Result{}, fmt.Errorf("where: %w", err)
		}
		if v != true {
			return sql.Result{}, nil
		}
	}
	if p.choose == nil {
		return sql.Result{Matched: true, Output: r.m.Payload}, nil
	}
	v, err := r.evaluate(p.choose, p.c)
	if err != nil {
		return sql.Result{}, fmt.Errorf("select: %w", err)
	}
	switch v := v.(type) {
	case nil:
		return sql.Result{Matched: true, Undefined: true}, nil
	case []byte:
		return sql.Result{Matched: true, Output: v}, nil
	}
	b, err := r.encode(nil, v)
	if err != nil {
		return sql.Result{}, fmt.Errorf("select: %w", err)
	}
	return sql.Result{Matched: true, Output: b}, nil
}

// Text renders a template. nil is Undefined.
func (r *exprRun) Text(_ context.Context, i int, t template) (string, bool, error) {
	x := t.(*exprTemplate)
	if x.Constant() {
		return x.source, false, nil
	}
	var b []byte
	undefined := false
	for _, p := range x.parts {
		if p.code == nil {
			b = append(b, p.text...)
			continue
		}
		v, err := r.evaluate(p.code, r.plan.programs[i].c)
		if err != nil {
			return "", false, err
		}
		switch v := v.(type) {
		case nil:
			undefined = len(x.parts) == 1
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		default:
			if b, err = r.encode(b, v); err != nil {
				return "", false, err
			}
		}
	}
	return string(b), undefined, nil
}

// JSON renders a template that is one expression as JSON.
func (r *exprRun) JSON(ctx context.Context, i int, t template) ([]byte, error) {
	x := t.(*exprTemplate)
	if len(x.parts) != 1 || x.parts[0].code == nil {
		s, _, err := r.Text(ctx, i, t)
		if err != nil {
			return nil, err
		}
		return appendJSON(nil, s)
	}
	v, err := r.evaluate(x.parts[0].code, r.plan.programs[i].c)
	if err != nil || v == nil {
		return nil, err
	}
	return r.encode(nil, v)
}

// decodeJSON decodes a JSON text for expressions: whole numbers that fit are ints.
func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) { // More does not count a brace
		return nil, fmt.Errorf("something follows the value")
	}
	return numbers(v), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(string(v)); err == nil {
			return i
		}
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return string(v) // out of range: the text is better than nothing
		}
		return f
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	}
	return v
}

// appendJSON appends a value of expressions as JSON.
func appendJSON(dst []byte, v any) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
