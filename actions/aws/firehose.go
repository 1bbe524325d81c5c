package aws

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/thinghub/thinghub/actions"
)

// Firehose puts the outgoing payload into a delivery stream, up to 500 records in a call.
// It is the AWS action "firehose".
//
// The records of a call keep their order, unless the service takes only a part of them:
// the rest comes again after it.
type Firehose struct {
	// RoleARN is the role that may firehose:PutRecordBatch, or firehose:PutRecord alone, as
	// in AWS: then each record is a call.
	RoleARN string `json:"roleArn,omitempty"`
	// DeliveryStreamName may have templates.
	DeliveryStreamName string `json:"deliveryStreamName"`
	// Separator follows each record: "\n", "\t", "\r\n" or ",".
	Separator string `json:"separator,omitempty"`
	// BatchMode makes each item of an outgoing array, up to 500, a record. What is no array
	// is one record.
	BatchMode bool `json:"batchMode,omitempty"`
}

const (
	firehoseEntries = 500
	firehoseBytes   = 4 << 20
	firehoseRecord  = 1000 << 10
	maxDelivery     = 64
)

// Firehose returns the action for a delivery stream.
func (s *Services) Firehose(p Firehose) actions.Action {
	return &firehoseAction{Firehose: p, at: s.at("firehose", p.DeliveryStreamName, p.RoleARN), taken: map[string][]bool{}}
}

func readFirehose(p params) actions.Action {
	return p.services.Firehose(Firehose{
		RoleARN: p.role(), DeliveryStreamName: p.Need("deliveryStreamName"),
		Separator: p.Text("separator"), BatchMode: p.Bool("batchMode"),
	})
}

type firehoseAction struct {
	Firehose
	at
	alone atomic.Bool // the role may put single records only

	mu sync.Mutex
	// taken says which records of an event have been taken, if not all were: those do not
	// go again.
	taken map[string][]bool
}

// mostTaken bounds what is remembered of events that may never come again.
const mostTaken = 1000

// Kind is "firehose".
func (*firehoseAction) Kind() string { return "firehose" }

// Resource is the name of the delivery stream.
func (a *firehoseAction) Resource(ev actions.Event) string { return resource(a.DeliveryStreamName, ev) }

// Params is the name of the delivery stream.
func (a *firehoseAction) Params() []actions.Param {
	return []actions.Param{{Name: "deliveryStreamName", Text: a.DeliveryStreamName}}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *firehoseAction) Check() error {
	if err := checkName("deliveryStreamName", a.DeliveryStreamName, maxDelivery); err != nil {
		return err
	}
	switch a.Separator {
	case "", "\n", "\t", "\r\n", ",":
	default:
		return actions.WrongField("separator", a.Separator, `"\n", "\t", "\r\n" or ","`)
	}
	return a.check()
}

// Batch is what PutRecordBatch takes.
func (a *firehoseAction) Batch() actions.Batch {
	return actions.Batch{
		Events: firehoseEntries, Bytes: firehoseBytes - firehoseEntries*len(a.Separator),
		AcrossTopics: true, Parallel: true, Key: byParam(a.DeliveryStreamName),
	}
}

// Do puts the records of one event.
func (a *firehoseAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// A firehoseItem is a record of an event.
type firehoseItem struct {
	event, place int
	data         []byte
	err          error
}

// DoBatch puts records into one delivery stream.
func (a *firehoseAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	c, err := client(a.services, a.role, func(c sdk.Config) *firehose.Client { return firehose.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	errs := make([]error, len(evs))
	counts := make([]int, len(evs))
	var items []firehoseItem
	for i, ev := range evs {
		records, err := a.records(ev.Payload)
		if err != nil {
			errs[i] = err
			continue
		}
		taken := a.takenOf(ev, len(records))
		counts[i] = len(records)
		for place, data := range records {
			if taken == nil || !taken[place] {
				items = append(items, firehoseItem{event: i, place: place, data: data})
			}
		}
	}
	stream := &evs[0].Params[0]
	for rest := items; len(rest) > 0; {
		n, bytes := 0, 0
		for n < min(len(rest), firehoseEntries) && bytes+len(rest[n].data) <= firehoseBytes {
			bytes += len(rest[n].data)
			n++
		}
		if ended := a.put(ctx, c, stream, rest[:n]); ended != nil {
			for i := n; i < len(rest); i++ {
				rest[i].err = ended
			}
			break
		}
		rest = rest[n:]
	}
	for _, it := range items {
		if errs[it.event] == nil || errors.Is(it.err, actions.ErrPermanent) && !errors.Is(errs[it.event], actions.ErrPermanent) {
			errs[it.event] = it.err
		}
	}
	a.note(evs, counts, items, errs)
	return errs
}

// put makes one call. It returns an error that passes, if that is what all of the last
// records failed for.
func (a *firehoseAction) put(ctx context.Context, c *firehose.Client, stream *string, items []firehoseItem) (ended error) {
	chosen := templated(a.DeliveryStreamName)
	inBatches(len(items), &a.alone, func(from, to int) error {
		records := make([]types.Record, 0, to-from)
		for _, it := range items[from:to] {
			records = append(records, types.Record{Data: it.data})
		}
		out, err := c.PutRecordBatch(ctx, &firehose.PutRecordBatchInput{DeliveryStreamName: stream, Records: records})
		if err != nil {
			return judge(err, chosen)
		}
		for i := from; i < to; i++ {
			switch {
			case len(out.RequestResponses) != to-from:
				items[i].err = errUnanswered
			case out.RequestResponses[i-from].ErrorCode != nil:
				r := out.RequestResponses[i-from]
				items[i].err = entryError("Firehose PutRecordBatch", *r.ErrorCode, sdk.ToString(r.ErrorMessage), chosen)
			}
		}
		return nil
	}, func(i int) error {
		_, err := c.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: stream, Record: &types.Record{Data: items[i].data}})
		return judge(err, chosen)
	}, func(i int, err error) {
		items[i].err = err
	})
	if last := items[len(items)-1].err; last != nil && !errors.Is(last, actions.ErrPermanent) {
		return last
	}
	return nil
}

// records makes the records of a payload.
func (a *firehoseAction) records(payload []byte) ([][]byte, error) {
	parts := []json.RawMessage{payload}
	if a.BatchMode {
		var items []json.RawMessage
		if json.Unmarshal(payload, &items) == nil && items != nil {
			parts = items
		}
	}
	if len(parts) > firehoseEntries {
		return nil, actions.Permanent(errors.New("the array has " + strconv.Itoa(len(parts)) + " items, expected at most " + strconv.Itoa(firehoseEntries)))
	}
	records := make([][]byte, len(parts))
	for i, p := range parts {
		if n := len(p) + len(a.Separator); n > firehoseRecord {
			return nil, tooLarge(n, firehoseRecord)
		}
		records[i] = append(append(make([]byte, 0, len(p)+len(a.Separator)), p...), a.Separator...)
	}
	return records, nil
}

// takenOf returns which of the n records of an event have been taken before, nil for none.
func (a *firehoseAction) takenOf(ev actions.Event, n int) []bool {
	if n < 2 || ev.Attempt < 2 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if taken := a.taken[ev.ID()]; len(taken) == n {
		return taken
	}
	return nil
}

// note remembers which records of events that come again have been taken.
func (a *firehoseAction) note(evs []actions.Event, counts []int, items []firehoseItem, errs []error) {
	if !a.BatchMode {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, ev := range evs {
		if counts[i] < 2 {
			continue
		}
		id := ev.ID()
		if errs[i] == nil || errors.Is(errs[i], actions.ErrPermanent) {
			delete(a.taken, id)
			continue
		}
		if len(a.taken) >= mostTaken {
			clear(a.taken) // these come twice then
		}
		taken := make([]bool, counts[i])
		for place := range taken {
			taken[place] = true
		}
		for _, it := range items {
			if it.event == i && it.err != nil {
				taken[it.place] = false
			}
		}
		a.taken[id] = taken
	}
}
