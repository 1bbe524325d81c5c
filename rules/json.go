package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// ruleJSON is a rule as AWS writes it, a topicRulePayload, with two members of ours.
type ruleJSON struct {
	SQL         string            `json:"sql,omitempty"`
	Description string            `json:"description,omitempty"`
	Actions     []json.RawMessage `json:"actions"`
	Disabled    bool              `json:"ruleDisabled"`
	Version     Version           `json:"awsIotSqlVersion,omitempty"`
	ErrorAction json.RawMessage   `json:"errorAction,omitempty"`
	Expr        *exprJSON         `json:"expr,omitempty"`
	Delivery    *deliveryJSON     `json:"delivery,omitempty"`
}

type exprJSON struct {
	Filter string `json:"filter,omitempty"`
	Where  string `json:"where,omitempty"`
	Select string `json:"select,omitempty"`
}

type deliveryJSON struct {
	Queue        int   `json:"queue,omitempty"`
	Reserve      int   `json:"reserve,omitempty"`
	QueueBytes   int   `json:"queueBytes,omitempty"`
	Lanes        int   `json:"lanes,omitempty"`
	Order        Order `json:"order,omitempty"`
	Tries        int   `json:"tries,omitempty"`
	BackoffMs    int64 `json:"backoffMs,omitempty"`
	MaxBackoffMs int64 `json:"maxBackoffMs,omitempty"`
	MaxAgeMs     int64 `json:"maxAgeMs,omitempty"`
	TimeoutMs    int64 `json:"timeoutMs,omitempty"`
}

// DecodeRule makes a rule of JSON: the topicRulePayload of AWS, which may have a member
// "expr", {"filter","where","select"}, instead of "sql", and a member "delivery",
// {"queue","reserve","queueBytes","lanes","order","tries","backoffMs","maxBackoffMs","maxAgeMs",
// "timeoutMs"}. It is strict, but null counts as absent: the error, ErrInvalid, names the
// member that is wrong. The rule is checked as a whole when it is put.
func (s *Service) DecodeRule(name string, data []byte) (Rule, error) {
	r := Rule{Name: name}
	some := false // there is a statement
	t, err := actions.FromTopicRule(data, s.cfg.Kinds, func(o *actions.Object) {
		some = o.Has("sql")
		if e, ok := o.Object("expr"); ok {
			r.Expr = &Expr{Filter: e.Text("filter"), Where: e.Text("where"), Select: e.Text("select")}
			_ = e.Done() // the object o has the error too
		}
		if d, ok := o.Object("delivery"); ok {
			r.Delivery = decodeDelivery(d)
			_ = d.Done()
		}
	})
	if err != nil {
		return Rule{}, malformed(err)
	}
	r.SQL, r.Version, r.Description, r.Disabled = t.SQL, Version(t.Version), t.Description, t.Disabled
	r.Actions, r.ErrorAction = t.Actions, t.ErrorAction
	if r.Expr == nil {
		if !some {
			return Rule{}, malformed(&actions.FieldError{Field: "sql", Want: "a statement"})
		}
		or(&r.Version, V2015)
	}
	return r, nil
}

func malformed(err error) error {
	e := &Error{Kind: ErrInvalid, Message: err.Error(), Err: err}
	if a := (*actions.ActionError)(nil); errors.As(err, &a) {
		e.Field, e.Err = a.Field, a.Err
	} else if f := (*actions.FieldError)(nil); errors.As(err, &f) {
		e.Field = f.Field
	}
	return e
}

func decodeDelivery(o *actions.Object) Delivery {
	ms := func(name string) time.Duration {
		return time.Duration(o.Int(name, 0, int(maxTime/time.Millisecond))) * time.Millisecond
	}
	return Delivery{
		Queue: o.Int("queue", 0, maxQueue), Reserve: o.Int("reserve", -1, maxQueue), QueueBytes: o.Int("queueBytes", 0, maxQueueBytes), Lanes: o.Int("lanes", 0, maxLanes),
		Order: Order(o.Enum("order", string(OrderByTopic), string(OrderByClient))),
		Retry: actions.Retry{
			Tries: o.Int("tries", 0, maxTries), Backoff: ms("backoffMs"), MaxBackoff: ms("maxBackoffMs"), MaxAge: ms("maxAgeMs"), Timeout: ms("timeoutMs"),
		},
	}
}

func encodeDelivery(d Delivery) *deliveryJSON {
	if d == (Delivery{}) {
		return nil
	}
	// What is there must not become what is not: 0 is the default.
	ms := func(t time.Duration) int64 { return int64((t + time.Millisecond - 1) / time.Millisecond) }
	return &deliveryJSON{
		Queue: d.Queue, Reserve: max(d.Reserve, -1), QueueBytes: d.QueueBytes, Lanes: d.Lanes, Order: d.Order, Tries: d.Retry.Tries,
		BackoffMs: ms(d.Retry.Backoff), MaxBackoffMs: ms(d.Retry.MaxBackoff), MaxAgeMs: ms(d.Retry.MaxAge), TimeoutMs: ms(d.Retry.Timeout),
	}
}

// EncodeRule is the opposite of [Service.DecodeRule]. An action that has no form in JSON
// is written as {"kind":{}}, so that somebody who reads the rule sees that it is there;
// whole reports that there is none of these.
func (s *Service) EncodeRule(r Rule) (data []byte, whole bool, err error) {
	j := ruleJSON{
		SQL: r.SQL, Description: r.Description, Actions: []json.RawMessage{}, Disabled: r.Disabled, Version: r.Version, Delivery: encodeDelivery(r.Delivery),
	}
	if r.Expr != nil {
		j.Expr = &exprJSON{r.Expr.Filter, r.Expr.Where, r.Expr.Select}
	}
	whole = true
	for _, a := range r.Actions {
		item, ok, err := s.encodeAction(a)
		if err != nil {
			return nil, false, err
		}
		j.Actions, whole = append(j.Actions, item), whole && ok
	}
	if r.ErrorAction != nil {
		item, ok, err := s.encodeAction(r.ErrorAction)
		if err != nil {
			return nil, false, err
		}
		j.ErrorAction, whole = item, whole && ok
	}
	data, err = marshal(j)
	return data, whole, err
}

func (s *Service) encodeAction(a actions.Action) (data []byte, ok bool, err error) {
	data, ok, err = actions.Encode(a, s.cfg.Kinds)
	if err != nil || ok {
		return data, ok, err
	}
	data, err = marshal(map[string]struct{}{kind(a): {}})
	return data, false, err
}

// marshal is json.Marshal without its changes to <, > and &.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// storedRule is what the store keeps of a rule.
type storedRule struct {
	Created time.Time       `json:"created"`
	Rule    json.RawMessage `json:"rule"`
}
