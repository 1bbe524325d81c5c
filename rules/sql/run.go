package sql

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// A frame is what names mean: the fields of the message, or in a nested query those of
// one element.
type frame struct {
	text  string  // JSON, or at the top whatever the payload is
	slots []slot  // where the plan's paths lead in it
	at    []int32 // for each path of the statement its slot
}

// A Run is the evaluation of one message. It belongs to one goroutine.
type Run struct {
	frame
	ctx     context.Context
	m       *actions.Message
	plan    *Plan
	topic   string // without the prefix of Basic Ingest
	now     time.Time
	traceID actions.TraceID // zero before somebody asks
	state   payloadState
	pooled  bool // goes back to the pool
	whole   bool // whole numbers are Ints, in the statement that is evaluated
	stmt    *Statement
	err     error   // why the evaluation fails as a whole
	vars    []Value // of SET, by number
	varsOf  int     // whose they are; -1: nobody's
	trace   *tracer // nil unless somebody wants to know

	scanner scanner
	reading parsedTime // of time_to_epoch
	top     []slot     // of the message
	texts   []slot     // of a template
	slab    []slot     // of nested queries
	arena   arena
	out     arena // of results
	temps   [][]byte
	depth   int // how many of temps are in use
	args    []Value
}

type payloadState uint8

const (
	payloadUnread payloadState = iota
	payloadJSON
	payloadEmpty
	payloadOther // not JSON
)

var runs = sync.Pool{New: func() any { return &Run{} }}

// Begin starts the evaluation of a message, which must stay as it is until End. The
// payload is not looked at before somebody needs it.
func (p *Plan) Begin(m *actions.Message) *Run {
	r := runs.Get().(*Run)
	r.pooled = true
	r.Begin(p, m)
	return r
}

// Begin is [Plan.Begin] for who has a Run, which he may use again after End. The zero Run
// is ready.
func (r *Run) Begin(p *Plan, m *actions.Message) {
	r.plan, r.m, r.topic, r.now = p, m, ingestTopic(m.Topic), m.Time
	r.state, r.varsOf, r.err = payloadUnread, -1, nil
	r.room()
}

// End ends the evaluation. Nothing that came from it may be used afterwards.
func (r *Run) End() {
	r.arena.reset()
	r.out.reset()
	for i := range r.temps {
		if cap(r.temps[i]) > mostKept {
			r.temps[i] = nil
		}
	}
	clear(r.args[:cap(r.args)])
	clear(r.vars)
	r.frame, r.ctx, r.m, r.plan, r.stmt, r.trace, r.err = frame{}, nil, nil, nil, nil, nil, nil
	r.scanner.text, r.topic, r.traceID = "", "", actions.TraceID{}
	if cap(r.scanner.key) > mostKept {
		r.scanner.key = nil
	}
	if cap(r.scanner.open) > mostKept/8 {
		r.scanner.open = nil
	}
	r.slab, r.depth = r.slab[:0], 0
	if r.pooled {
		runs.Put(r)
	}
}

const ingestPrefix = "$aws/rules/"

// ingestTopic returns a topic without the prefix of Basic Ingest.
func ingestTopic(topic string) string {
	rest, ok := strings.CutPrefix(topic, ingestPrefix)
	if !ok {
		return topic
	}
	_, rest, _ = strings.Cut(rest, "/")
	return rest
}

// traceText returns the message's trace id as text, and makes one if it has none. It stays
// the same during the run.
func (r *Run) traceText() string {
	if r.traceID.IsZero() {
		if r.traceID = r.m.TraceID; r.traceID.IsZero() {
			r.traceID = actions.NewTraceID()
		}
	}
	return r.keep(r.traceID.AppendTo(r.borrow()))
}

// newUUID returns a random UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var t [36]byte
	hex.Encode(t[:8], b[:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:], b[10:])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}

// time is when the message was taken in.
func (r *Run) time() time.Time {
	if r.now.IsZero() {
		r.now = time.Now()
	}
	return r.now
}

// read takes the message apart, once. It reports what kind of payload it is.
func (r *Run) read() payloadState {
	if r.state != payloadUnread {
		return r.state
	}
	n := r.plan.nodes
	if cap(r.top) < n {
		r.top = make([]slot, n)
	}
	r.top = r.top[:n]
	payload := view(r.m.Payload)
	r.text, r.slots = payload, r.top
	switch {
	case len(payload) == 0:
		r.state = payloadEmpty
		clear(r.top)
	case r.scanner.scan(payload, &r.plan.root, r.top):
		r.state = payloadJSON
	default:
		r.state = payloadOther
		clear(r.top)
	}
	return r.state
}

// fail notes why the evaluation fails as a whole, and returns the value to go on with.
func (r *Run) fail(err error) Value {
	if r.err == nil {
		r.err = err
	}
	return undefined
}

// enter makes statement i the one that is evaluated: it sees to its fields and to its
// variables. It reports false if that is not possible; r.err says why.
func (r *Run) enter(ctx context.Context, i int) bool {
	p := &r.plan.parts[i]
	s := p.statement
	if len(s.paths) > 0 && r.read() == payloadOther {
		r.err = fmt.Errorf("sql: %w", ErrPayload)
		return false
	}
	if r.err != nil {
		r.err = nil
	}
	r.ctx, r.stmt, r.whole = ctx, s, s.whole
	r.at = p.at
	if r.arena.used() || r.out.used() {
		r.room()
	}
	if len(s.set) > 0 && r.varsOf != i {
		r.clause("SET")
		r.varsOf = i
		r.vars = r.vars[:0]
		for _, e := range s.set {
			v := e(r)
			r.vars = append(r.vars, v)
		}
		if !r.inBounds() {
			r.varsOf = -1 // they are nobody's
		}
	}
	return r.err == nil
}

// mostMade is how many bytes an evaluation may make, besides eight times as many as the
// message has. Without a bound, a few doublings would fill the memory.
const mostMade = 16 << 20

// room lets an evaluation make as much as it may.
func (r *Run) room() {
	r.arena.allow(r.most())
	r.out.allow(r.most())
}

func (r *Run) most() int { return mostMade + 8*len(r.m.Payload) }

// inBounds reports that the evaluation has not failed as a whole; making too much is a
// failure.
func (r *Run) inBounds() bool {
	if r.err == nil && (r.arena.full || r.out.full) {
		r.err = fmt.Errorf("sql: %w: more than %d bytes", ErrTooLarge, r.most())
	}
	return r.err == nil
}

// enough reports that a text under construction must not grow any more.
func (r *Run) enough(b []byte) bool { return r.arena.bounds(len(r.arena.bytes) + len(b)) }

// Eval evaluates SET, WHERE and SELECT of statement i of the plan; FROM is the
// caller's matter. ctx bounds functions that call out. The error means that the
// evaluation failed as a whole and no action may run; it wraps [ErrPayload] if the
// payload is not JSON and the statement looks into it, [ErrCall] if a function that
// calls out has failed, and [ErrTooLarge] if the result is.
func (r *Run) Eval(ctx context.Context, i int) (Result, error) {
	if !r.enter(ctx, i) {
		return Result{}, r.err
	}
	s := r.stmt
	r.clause("WHERE")
	if s.where != nil && !s.where(r) || !r.inBounds() {
		return Result{}, r.err
	}
	r.clause("SELECT")
	res := s.output(r)
	if !r.inBounds() {
		return Result{}, r.err
	}
	return res, nil
}

// borrow returns an empty buffer that keep or forget must give back, the one borrowed
// last first.
func (r *Run) borrow() []byte {
	if r.depth == len(r.temps) {
		r.temps = append(r.temps, nil)
	}
	r.depth++
	return r.temps[r.depth-1][:0]
}

// keep gives a buffer back and returns what is in it as a text of the run. Where there
// is no room for it an array or object is an empty one.
func (r *Run) keep(b []byte) string {
	r.forget(b)
	s := r.arena.copy(b)
	if s == "" && len(b) > 0 {
		switch b[0] {
		case '[':
			return "[]"
		case '{':
			return "{}"
		}
	}
	return s
}

func (r *Run) forget(b []byte) {
	r.depth--
	r.temps[r.depth] = b
}

// field returns the value of a path of the statement.
func (r *Run) field(i int) Value {
	s := &r.slots[r.at[i]]
	switch t := r.text; s.kind {
	case slotEmpty:
		return undefined
	case slotInt:
		return Value{kind: Int, n: s.n}
	case slotFraction:
		return Value{kind: Decimal, verbatim: true, n: s.n, exp: s.exp, s: t[s.from:s.to]}
	case slotNumber:
		return readNumber(t[s.from:s.to], r.whole)
	case slotString:
		return Value{kind: String, s: t[s.from:s.to]}
	case slotEscaped:
		return Value{kind: String, s: r.unquoted(t[s.from:s.to])}
	case slotArray:
		return Value{kind: Array, s: t[s.from:s.to]}
	case slotObject:
		return Value{kind: Object, s: t[s.from:s.to]}
	default:
		switch t[s.from] {
		case 't':
			return vTrue
		case 'f':
			return vFalse
		}
		return null
	}
}

// member returns a member of a value, Undefined unless it is an Object that has it.
func (r *Run) member(of Value, key string) Value {
	if of.kind != Object {
		return undefined
	}
	v, ok := member(of.s, key)
	if !ok {
		return undefined
	}
	return r.ofJSON(v, r.whole)
}

// star returns the whole message, or element, as a value: bytes that are not JSON as
// base64 text.
func (r *Run) star(top bool) Value {
	if !top {
		return r.ofJSON(r.text, r.whole)
	}
	switch r.read() {
	case payloadEmpty:
		return Value{kind: Object, s: "{}"}
	case payloadJSON:
		t := view(r.m.Payload)
		return r.ofJSON(strings.Trim(t, " \t\r\n"), r.whole)
	default:
		return text(r.base64(r.m.Payload))
	}
}
