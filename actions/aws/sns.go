package aws

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/thinghub/thinghub/actions"
)

// SNS publishes the outgoing payload to a topic, up to ten messages in a call, or to the
// endpoint of an app, one by one. It is the AWS action "sns".
//
// A FIFO topic, whose ARN ends with ".fifo", is refused by AWS, and not here; see [SQS].
type SNS struct {
	// RoleARN is the role that may sns:Publish.
	RoleARN string `json:"roleArn,omitempty"`
	// TargetARN is that of a topic or an endpoint, and may have templates.
	TargetARN string `json:"targetArn"`
	// MessageFormat is RAW, the default, or JSON: then the payload is an object that has a
	// text for each protocol, and one for "default".
	MessageFormat string `json:"messageFormat,omitempty"`
	// MessageGroupID may have templates. It is ours, not AWS's; a FIFO topic without it has
	// a group for each MQTT topic.
	MessageGroupID string `json:"messageGroupId,omitempty"`
	// MessageDeduplicationID may have templates. It is ours, not AWS's, and for FIFO topics;
	// without it, it is the id of the event, [actions.Event.ID].
	MessageDeduplicationID string `json:"messageDeduplicationId,omitempty"`
}

const (
	snsEntries = 10
	snsBytes   = 256 << 10 // of a message, and of a call
)

// SNS returns the action for a topic or an endpoint.
func (s *Services) SNS(p SNS) actions.Action {
	return &snsAction{SNS: p, at: s.at("sns", p.TargetARN, p.RoleARN), fifo: fifo{p.MessageGroupID, p.MessageDeduplicationID}}
}

func readSNS(p params) actions.Action {
	return p.services.SNS(SNS{
		RoleARN: p.role(), TargetARN: p.Need("targetArn"), MessageFormat: p.Enum("messageFormat", "RAW", "JSON"),
		MessageGroupID: p.Text("messageGroupId"), MessageDeduplicationID: p.Text("messageDeduplicationId"),
	})
}

type snsAction struct {
	SNS
	at
	fifo fifo
}

// Kind is "sns".
func (*snsAction) Kind() string { return "sns" }

// Resource is the ARN of the topic or endpoint.
func (a *snsAction) Resource(ev actions.Event) string { return resource(a.TargetARN, ev) }

// Params are the ARN and the ids for FIFO topics.
func (a *snsAction) Params() []actions.Param {
	return append([]actions.Param{{Name: "targetArn", Text: a.TargetARN}}, a.fifo.params()...)
}

// Check reports what can be seen to be wrong before a message comes.
func (a *snsAction) Check() error {
	if !templated(a.TargetARN) {
		if err := checkTarget(a.TargetARN); err != nil {
			return err
		}
	}
	switch a.MessageFormat {
	case "", "RAW", "JSON":
	default:
		return actions.WrongField("messageFormat", a.MessageFormat, "RAW or JSON")
	}
	if err := a.fifo.check(a.TargetARN); err != nil {
		return err
	}
	return a.check()
}

func checkTarget(arn string) error {
	if p := strings.SplitN(arn, ":", 6); len(p) != 6 || p[0] != "arn" || p[2] != "sns" || p[5] == "" {
		return actions.WrongField("targetArn", arn, "the ARN of a topic or an endpoint, arn:aws:sns:REGION:ACCOUNT:NAME")
	}
	return nil
}

// isEndpoint reports whether an ARN is that of an app on a device.
func isEndpoint(arn string) bool {
	p := strings.SplitN(arn, ":", 6)
	return len(p) == 6 && strings.HasPrefix(p[5], "endpoint/")
}

// Batch is what PublishBatch takes.
func (a *snsAction) Batch() actions.Batch {
	if isEndpoint(a.TargetARN) {
		return actions.Batch{}
	}
	return actions.Batch{
		Events: snsEntries, Bytes: snsBytes, AcrossTopics: true, Parallel: a.fifo.parallel(a.TargetARN),
		Key: byParam(a.TargetARN), Distinct: a.fifo.distinct(a.TargetARN),
	}
}

// Do publishes one message.
func (a *snsAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// DoBatch publishes messages to one topic or endpoint.
func (a *snsAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	target := evs[0].Params[0]
	if err := checkTarget(target); err != nil {
		return all(evs, actions.Permanent(err))
	}
	c, err := client(a.services, a.role, func(c sdk.Config) *sns.Client { return sns.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	errs := make([]error, len(evs))
	entries := make([]types.PublishBatchRequestEntry, 0, len(evs))
	for i, ev := range evs {
		var e types.PublishBatchRequestEntry
		if e, errs[i] = a.entry(ev); errs[i] == nil {
			e.Id = sdk.String(strconv.Itoa(i))
			entries = append(entries, e)
		}
	}
	if isEndpoint(target) {
		a.push(ctx, c, target, entries, errs)
		return errs
	}
	failed := func(id *string, err error) {
		if i, e := strconv.Atoi(sdk.ToString(id)); e == nil && i >= 0 && i < len(errs) {
			errs[i] = err
		}
	}
	apart(len(entries), func(from, to int) error {
		part := entries[from:to]
		out, err := c.PublishBatch(ctx, &sns.PublishBatchInput{TopicArn: &target, PublishBatchRequestEntries: part})
		if err != nil {
			return judge(err, templated(a.TargetARN))
		}
		for _, e := range part {
			failed(e.Id, errUnanswered)
		}
		for _, ok := range out.Successful {
			failed(ok.Id, nil)
		}
		for _, f := range out.Failed {
			failed(f.Id, a.fault(f))
		}
		return nil
	}, func(i int, err error) { failed(entries[i].Id, err) })
	return errs
}

// push publishes to an endpoint, which takes one message in a call.
func (a *snsAction) push(ctx context.Context, c *sns.Client, target string, entries []types.PublishBatchRequestEntry, errs []error) {
	var ended error
	for _, e := range entries {
		i, _ := strconv.Atoi(*e.Id) // which DoBatch wrote
		if ended != nil {
			errs[i] = ended
			continue
		}
		_, err := c.Publish(ctx, &sns.PublishInput{TargetArn: &target, Message: e.Message, MessageStructure: e.MessageStructure})
		if errs[i] = judge(err, templated(a.TargetARN)); errs[i] != nil && !errors.Is(errs[i], actions.ErrPermanent) {
			ended = errs[i]
		}
	}
}

// fault is the error of a message that was not taken.
func (a *snsAction) fault(f types.BatchResultErrorEntry) error {
	code, text := sdk.ToString(f.Code), sdk.ToString(f.Message)
	if !f.SenderFault {
		code, text = "InternalError", code+": "+text // that of the service, whatever it calls it
	}
	return entryError("SNS PublishBatch", code, text, templated(a.TargetARN))
}

// entry makes the message of an event.
func (a *snsAction) entry(ev actions.Event) (e types.PublishBatchRequestEntry, err error) {
	if err := checkBody(ev.Payload, snsBytes, ""); err != nil {
		return e, err
	}
	if a.MessageFormat == "JSON" {
		var of map[string]json.RawMessage
		if err := json.Unmarshal(ev.Payload, &of); err != nil || len(of["default"]) == 0 || of["default"][0] != '"' {
			return e, actions.Permanent(errors.New(`the payload is not an object with a text for "default", as messageFormat JSON needs it`))
		}
		e.MessageStructure = sdk.String("json")
	}
	e.Message = sdk.String(string(ev.Payload))
	e.MessageGroupId, e.MessageDeduplicationId, err = a.fifo.ids(ev)
	return e, err
}
