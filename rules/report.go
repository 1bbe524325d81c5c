package rules

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync/atomic"

	"github.com/thinghub/thinghub/actions"
)

// A failure is what a report says about an action that failed. Items of a batch that
// failed together share one.
type failure struct {
	action, resource, message string
}

func actionFailure(l *lane, j *job, err error) *failure {
	return &failure{j.step.failedAction(), strings.Clone(resourceOf(l, j)), err.Error()}
}

// resourceOf asks an action for the name of its resource; if it cannot say, it has none.
func resourceOf(l *lane, j *job) (resource string) {
	defer func() { _ = recover() }()
	return j.step.resource(j.event(&l.message))
}

func evaluationFailure(rev *revision, err error) *failure {
	return &failure{"RuleExecution", rev.rule.name, err.Error()}
}

// reportJSON is the payload of an error action.
type reportJSON struct {
	RuleName string        `json:"ruleName"`
	Topic    string        `json:"topic,omitempty"`
	TraceID  string        `json:"cloudwatchTraceId,omitempty"`
	ClientID string        `json:"clientId,omitempty"`
	Payload  *string       `json:"base64OriginalPayload,omitempty"`
	Payloads []payloadJSON `json:"payloadsWithMetadata,omitempty"`
	Failures []failureJSON `json:"failures"`
}

type payloadJSON struct {
	ID       int    `json:"id"`
	Topic    string `json:"topic,omitempty"`
	TraceID  string `json:"cloudwatchTraceId"`
	ClientID string `json:"clientId"`
	SourceIP string `json:"sourceIp,omitempty"`
	Payload  string `json:"base64OriginalPayload"`
}

type failureJSON struct {
	AffectedIDs []int  `json:"affectedIds,omitempty"`
	Action      string `json:"failedAction"`
	Resource    string `json:"failedResource"`
	Message     string `json:"errorMessage"`
}

// noClient is what AWS calls the client of a message that none sent.
const noClient = "n/a"

func clientOf(m *actions.Message) string {
	if m.ClientID == "" {
		return noClient
	}
	return m.ClientID
}

// singleReport is the report on one message.
func singleReport(it *item) reportJSON {
	m := it.whole.msg
	payload := base64.StdEncoding.EncodeToString(m.Payload)
	r := reportJSON{RuleName: it.rev.rule.name, Topic: m.Topic, TraceID: m.TraceID.String(), ClientID: clientOf(m), Payload: &payload}
	for _, f := range it.trouble.failures {
		r.Failures = append(r.Failures, failureJSON{Action: f.action, Resource: f.resource, Message: f.message})
	}
	return r
}

// batchedReport is the report on the messages of a batch.
func batchedReport(items []*item, acrossTopics bool) reportJSON {
	r := reportJSON{RuleName: items[0].rev.rule.name}
	if !acrossTopics {
		r.Topic = items[0].topic()
	}
	at := map[*failure]int{}
	for i, it := range items {
		m := it.whole.msg
		p := payloadJSON{
			ID: i + 1, TraceID: m.TraceID.String(), ClientID: clientOf(m), SourceIP: m.Source(),
			Payload: base64.StdEncoding.EncodeToString(m.Payload),
		}
		if acrossTopics {
			p.Topic = m.Topic
		}
		r.Payloads = append(r.Payloads, p)
		for _, f := range it.trouble.failures {
			n, ok := at[f]
			if !ok {
				n = len(r.Failures)
				at[f] = n
				r.Failures = append(r.Failures, failureJSON{Action: f.action, Resource: f.resource, Message: f.message})
			}
			r.Failures[n].AffectedIDs = append(r.Failures[n].AffectedIDs, i+1)
		}
	}
	return r
}

// report gives the failures of items to the error action, which there must be. All other
// actions are done with them.
func (s *Service) report(items []*item, b *batchReport) {
	for i, it := range items {
		items[i] = it.apart()
	}
	it := items[0]
	doc := singleReport(it)
	if b != nil {
		doc = batchedReport(items, b.acrossTopics)
	}
	payload, _ := json.Marshal(doc) // texts and numbers have no error
	s.pushReport(it.rev.onError, items, payload)
}

// pushReport gives a report on items to an error action.
func (s *Service) pushReport(st *step, items []*item, document []byte) {
	it := items[0]
	t := it.rev.tracks().ofItem(it)
	t.mu.Lock()
	defer t.mu.Unlock()
	s.push(t, errorLane, job{it: it, step: st, extras: &extras{document: document, report: items, reported: s.now()}})
}

// A batchReport collects the items of a batch that failed, until the other actions are
// done with them too.
type batchReport struct {
	acrossTopics bool
	left         atomic.Int64 // one more than items that are not done
	items        []*item      // complete when the batch is
}

// done notes that an item is done with, or that the list of items is complete. The last
// one reports.
func (b *batchReport) done(s *Service) {
	if b.left.Add(-1) > 0 || len(b.items) == 0 {
		return
	}
	if b.items[0].rev.onError == nil {
		for _, it := range b.items {
			s.release(it)
		}
		return
	}
	s.report(b.items, b)
}
