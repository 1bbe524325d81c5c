package actions

import (
	"fmt"
	"maps"
)

// MaxTopicRuleActions is how many actions a rule may have, as in AWS.
const MaxTopicRuleActions = 10

// A TopicRule is what a TopicRulePayload says: a rule as AWS writes it, with actions that
// can be called.
type TopicRule struct {
	// SQL is the statement. It is not checked here, nor are templates in the actions.
	SQL         string
	Description string
	// Version is the version of SQL: "2015-10-08", "2016-03-23" or "beta". It is empty if
	// the payload has none; AWS takes "2015-10-08" then.
	Version     string
	Disabled    bool
	Actions     []Action
	ErrorAction Action // nil if there is none
}

// FromTopicRule reads a TopicRulePayload, the JSON of rules of AWS: the control plane, the
// configuration file and Go programs all come this way. registry has the actions that
// there are by their names in JSON; it is put together of [Builtin] and of the Kinds of
// packages below this one, and [Merge] helps with that. More members than those of AWS are
// read by more, of the same object.
//
// It is strict. The error says which member is wrong, by its path, and for an action that
// is not in the registry which ones there are; it is a [FieldError] where a value is wrong.
func FromTopicRule(payload []byte, registry map[string]Decoder, more ...func(o *Object)) (TopicRule, error) {
	o := ReadObject(payload)
	r := TopicRule{
		SQL: o.Text("sql"), Description: o.Text("description"), Disabled: o.Bool("ruleDisabled"),
		Version: o.Enum("awsIotSqlVersion", "2015-10-08", "2016-03-23", "beta"),
	}
	for _, read := range more {
		read(o)
	}
	items, some := o.Items("actions", 0, MaxTopicRuleActions)
	failed := o.Raw("errorAction")
	if err := o.Done(); err != nil {
		return TopicRule{}, err
	}
	if !some {
		return TopicRule{}, &FieldError{Field: "actions", Want: "an array of actions"}
	}
	for i, item := range items {
		a, err := Decode(item, registry)
		if err != nil {
			return TopicRule{}, &ActionError{fmt.Sprintf("actions[%d]", i), err}
		}
		r.Actions = append(r.Actions, a)
	}
	if o.Has("errorAction") {
		a, err := Decode(failed, registry)
		if err != nil {
			return TopicRule{}, &ActionError{"errorAction", err}
		}
		r.ErrorAction = a
	}
	return r, nil
}

// An ActionError says which action of a rule is wrong.
type ActionError struct {
	// Field is where it stands: "actions[0]" or "errorAction".
	Field string
	// Err is what [Decode] said.
	Err error
}

// Error is one sentence for people.
func (e *ActionError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *ActionError) Unwrap() error { return e.Err }

// Merge returns a registry with the actions of several. Of two with the same name the
// later one counts.
func Merge(registries ...map[string]Decoder) map[string]Decoder {
	all := map[string]Decoder{}
	for _, r := range registries {
		maps.Copy(all, r)
	}
	return all
}
