package aws

import (
	"context"
	"encoding/base64"
	"net/url"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/thinghub/thinghub/actions"
)

// SQS sends the outgoing payload to a queue, up to ten messages in a call. It is the AWS
// action "sqs".
//
// A FIFO queue, whose URL ends with ".fifo", is refused by AWS, and not here. It gets the
// messages of a group in their order, and a message once although it was sent twice within
// five minutes.
type SQS struct {
	// RoleARN is the role that may sqs:SendMessage.
	RoleARN string `json:"roleArn,omitempty"`
	// QueueURL may have templates.
	QueueURL string `json:"queueUrl"`
	// UseBase64 sends the payload as base64. Without it, it must be a text of at least one
	// character and without control characters.
	UseBase64 bool `json:"useBase64"`
	// MessageGroupID may have templates. It is ours, not AWS's; a FIFO queue without it has
	// a group for each topic. Another queue takes it too, to share its consumers fairly.
	MessageGroupID string `json:"messageGroupId,omitempty"`
	// MessageDeduplicationID may have templates. It is ours, not AWS's, and for FIFO queues;
	// without it, it is the id of the event, [actions.Event.ID].
	MessageDeduplicationID string `json:"messageDeduplicationId,omitempty"`
}

const (
	sqsEntries = 10
	sqsBytes   = 1 << 20 // of a message, and of a call
)

// SQS returns the action for a queue.
func (s *Services) SQS(p SQS) actions.Action {
	return &sqsAction{SQS: p, at: s.at("sqs", p.QueueURL, p.RoleARN), fifo: fifo{p.MessageGroupID, p.MessageDeduplicationID}}
}

func readSQS(p params) actions.Action {
	return p.services.SQS(SQS{
		RoleARN: p.role(), QueueURL: p.Need("queueUrl"), UseBase64: p.Bool("useBase64"),
		MessageGroupID: p.Text("messageGroupId"), MessageDeduplicationID: p.Text("messageDeduplicationId"),
	})
}

type sqsAction struct {
	SQS
	at
	fifo fifo
}

// Kind is "sqs".
func (*sqsAction) Kind() string { return "sqs" }

// Resource is the URL of the queue.
func (a *sqsAction) Resource(ev actions.Event) string { return resource(a.QueueURL, ev) }

// Params are the URL of the queue and the ids for FIFO queues.
func (a *sqsAction) Params() []actions.Param {
	return append([]actions.Param{{Name: "queueUrl", Text: a.QueueURL}}, a.fifo.params()...)
}

// Check reports what can be seen to be wrong before a message comes.
func (a *sqsAction) Check() error {
	if u, err := url.Parse(a.QueueURL); !templated(a.QueueURL) && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return actions.WrongField("queueUrl", a.QueueURL, "the URL of a queue, https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")
	}
	if err := a.fifo.check(a.QueueURL); err != nil {
		return err
	}
	return a.check()
}

// Batch is what SendMessageBatch takes.
func (a *sqsAction) Batch() actions.Batch {
	bytes := sqsBytes
	if a.UseBase64 {
		bytes = base64.StdEncoding.DecodedLen(sqsBytes) - 2*sqsEntries // each is rounded up
	}
	return actions.Batch{
		Events: sqsEntries, Bytes: bytes, AcrossTopics: true, Parallel: a.fifo.parallel(a.QueueURL),
		Key: byParam(a.QueueURL), Distinct: a.fifo.distinct(a.QueueURL),
	}
}

// Do sends one message.
func (a *sqsAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// DoBatch sends messages to one queue.
func (a *sqsAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	c, err := client(a.services, a.role, func(c sdk.Config) *sqs.Client { return sqs.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	errs := make([]error, len(evs))
	entries := make([]types.SendMessageBatchRequestEntry, 0, len(evs))
	for i, ev := range evs {
		var e types.SendMessageBatchRequestEntry
		if e, errs[i] = a.entry(ev); errs[i] == nil {
			e.Id = sdk.String(strconv.Itoa(i))
			entries = append(entries, e)
		}
	}
	failed := func(id *string, err error) {
		if i, e := strconv.Atoi(sdk.ToString(id)); e == nil && i >= 0 && i < len(errs) {
			errs[i] = err
		}
	}
	chosen := templated(a.QueueURL)
	apart(len(entries), func(from, to int) error {
		part := entries[from:to]
		out, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &evs[0].Params[0], Entries: part})
		if err != nil {
			return judge(err, chosen)
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

// fault is the error of a message that was not taken.
func (a *sqsAction) fault(f types.BatchResultErrorEntry) error {
	code, text := sdk.ToString(f.Code), sdk.ToString(f.Message)
	if !f.SenderFault {
		code, text = "InternalError", code+": "+text // that of the service, whatever it calls it
	}
	return entryError("SQS SendMessageBatch", code, text, templated(a.QueueURL))
}

// entry makes the message of an event.
func (a *sqsAction) entry(ev actions.Event) (e types.SendMessageBatchRequestEntry, err error) {
	var body string
	if a.UseBase64 {
		if n := base64.StdEncoding.EncodedLen(len(ev.Payload)); n > sqsBytes {
			return e, tooLarge(n, sqsBytes)
		}
		body = base64.StdEncoding.EncodeToString(ev.Payload)
	} else {
		if err := checkBody(ev.Payload, sqsBytes, ", expected useBase64"); err != nil {
			return e, err
		}
		body = string(ev.Payload)
	}
	e.MessageBody = &body
	e.MessageGroupId, e.MessageDeduplicationId, err = a.fifo.ids(ev)
	return e, err
}
