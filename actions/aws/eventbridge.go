package aws

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/thinghub/thinghub/actions"
)

// EventBridge puts an event on a bus; its detail is the outgoing payload, which must be a
// JSON object. The action is this hub's own, "eventBridge": the rules of AWS have none. All
// texts but the role may have templates.
//
// A call takes up to 10 events, of all topics of the rule. EventBridge keeps no order and
// knows no key that would drop what comes twice; consumers that mind can tell by something
// in the detail, such as a ${traceid()} that the statement selects.
type EventBridge struct {
	// EventBusName is the name or the ARN of a bus; empty: the default one.
	EventBusName string `json:"eventBusName,omitempty"`
	// Source is who says it, such as "com.example.pumps". "aws." is Amazon's.
	Source string `json:"source"`
	// DetailType is what it is about, up to 128 characters.
	DetailType string `json:"detailType"`
	// Resources are ARNs that the event is about; one that is empty once it is rendered is
	// left out.
	Resources []string `json:"resources,omitempty"`
	// Time is when it happened: milliseconds since 1970, as timestamp() of the language
	// has it, or RFC 3339. Empty: when the hub took the message in.
	Time    string `json:"time,omitempty"`
	RoleARN string `json:"roleArn,omitempty"`
}

// EventBridge returns the action.
func (s *Services) EventBridge(p EventBridge) actions.Action {
	return &busAction{at: s.at("eventBridge", cmp.Or(p.EventBusName, defaultBus), p.RoleARN), EventBridge: p}
}

type busAction struct {
	EventBridge
	at
}

const (
	defaultBus        = "default"
	mostEvents        = 10
	mostEventBytes    = 200_000 // of the payloads; a call may have 256 KiB
	longestDetailType = 128
	mostResources     = 100
)

func readBus(p params) actions.Action {
	a := EventBridge{
		EventBusName: p.Text("eventBusName"), Source: p.Need("source"), DetailType: p.Need("detailType"), Time: p.Text("time"), RoleARN: p.role(),
	}
	a.Resources = p.List("resources", 0, mostResources)
	return p.services.EventBridge(a)
}

// Kind is "eventBridge".
func (*busAction) Kind() string { return "eventBridge" }

// Resource is the bus.
func (a *busAction) Resource(ev actions.Event) string {
	return resource(cmp.Or(a.EventBusName, defaultBus), ev)
}

// The places of the texts among the parameters. The resources follow.
const (
	busName = iota
	busSource
	busDetailType
	busTime
	busResources
)

// Params are the texts of the event.
func (a *busAction) Params() []actions.Param {
	params := []actions.Param{
		{Name: "eventBusName", Text: a.EventBusName, Optional: a.EventBusName == ""},
		{Name: "source", Text: a.Source},
		{Name: "detailType", Text: a.DetailType},
		{Name: "time", Text: a.Time, Optional: a.Time == ""},
	}
	for i, text := range a.Resources {
		params = append(params, actions.Param{Name: fmt.Sprintf("resources[%d]", i), Text: text, Optional: true})
	}
	return params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *busAction) Check() error {
	if len(a.Resources) > mostResources {
		return &actions.FieldError{Field: "resources", Value: fmt.Sprintf("an array of %d", len(a.Resources)), Want: fmt.Sprintf("0 to %d items", mostResources)}
	}
	for _, p := range a.Params() {
		if templated(p.Text) {
			continue
		}
		if err := checkBus(p.Name, p.Text); err != nil {
			return err
		}
	}
	return a.check()
}

// checkBus checks a text of the action once it is rendered.
func checkBus(field, text string) error {
	switch field {
	case "source":
		if text == "" || len(text) > 256 || strings.HasPrefix(text, "aws.") {
			return actions.WrongField(field, text, `1 to 256 bytes that do not begin with "aws."`)
		}
	case "detailType":
		if text == "" || len(text) > longestDetailType {
			return actions.WrongField(field, text, "1 to 128 bytes")
		}
	case "time":
		if text != "" {
			_, err := eventTime(text)
			return err
		}
	case "eventBusName":
		if len(text) > 1600 {
			return actions.WrongField(field, text, "up to 1600 bytes")
		}
	default: // resources
		if len(text) > 2048 {
			return actions.WrongField(field, text, "up to 2048 bytes")
		}
	}
	return nil
}

func eventTime(text string) (time.Time, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 && ms < 1e14 {
		return time.UnixMilli(ms), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, actions.WrongField("time", text, "milliseconds since 1970, or a time such as 2026-11-29T08:00:00Z")
	}
	return t, nil
}

// Batch is what PutEvents takes. Its entries may go to different buses.
func (a *busAction) Batch() actions.Batch {
	return actions.Batch{Events: mostEvents, Bytes: mostEventBytes, AcrossTopics: true, Parallel: true}
}

// Do puts one event.
func (a *busAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// DoBatch puts events.
func (a *busAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	c, err := client(a.services, a.role, func(c sdk.Config) *eventbridge.Client { return eventbridge.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	errs := make([]error, len(evs))
	entries := make([]types.PutEventsRequestEntry, 0, len(evs))
	of := make([]int, 0, len(evs)) // the events of entries
	for i, ev := range evs {
		e, err := entry(ev)
		if err != nil {
			errs[i] = actions.Permanent(err)
			continue
		}
		entries, of = append(entries, e), append(of, i)
	}
	chosen := templated(a.EventBusName)
	apart(len(entries), func(from, to int) error {
		out, err := c.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries[from:to]})
		if err != nil {
			return judge(err, chosen)
		}
		for i, of := range of[from:to] {
			if i >= len(out.Entries) {
				errs[of] = errUnanswered
			} else if e := out.Entries[i]; e.ErrorCode != nil {
				errs[of] = entryError("EventBridge PutEvents", *e.ErrorCode, sdk.ToString(e.ErrorMessage), chosen)
			}
		}
		return nil
	}, func(i int, err error) { errs[of[i]] = err })
	return errs
}

// entry makes what is sent of an event.
func entry(ev actions.Event) (e types.PutEventsRequestEntry, err error) {
	detail := strings.TrimSpace(string(ev.Payload))
	if !strings.HasPrefix(detail, "{") || !json.Valid(ev.Payload) {
		return e, actions.WrongField("the payload", string(ev.Payload), "a JSON object")
	}
	for i, field := range [...]string{busName: "eventBusName", busSource: "source", busDetailType: "detailType", busTime: "time"} {
		if err := checkBus(field, ev.Params[i]); err != nil {
			return e, err
		}
	}
	when := taken(ev)
	if text := ev.Params[busTime]; text != "" {
		when, _ = eventTime(text)
	}
	e = types.PutEventsRequestEntry{Source: &ev.Params[busSource], DetailType: &ev.Params[busDetailType], Detail: &detail, Time: &when}
	if ev.Params[busName] != "" {
		e.EventBusName = &ev.Params[busName]
	}
	for _, arn := range ev.Params[busResources:] {
		if err := checkBus("resources", arn); err != nil {
			return e, err
		}
		if arn != "" {
			e.Resources = append(e.Resources, arn)
		}
	}
	return e, nil
}
