package aws

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/thinghub/thinghub/actions"
)

// Kinesis puts the outgoing payload into a data stream, up to 500 records in a call. It is
// the AWS action "kinesis".
//
// A batch has a partition key once, so that the records of a key keep their order although
// the stream may take a part of a call. Without a partition key there is no order, and
// batches are full.
type Kinesis struct {
	// RoleARN is the role that may kinesis:PutRecords, or kinesis:PutRecord alone, as in
	// AWS: then each record is a call.
	RoleARN string `json:"roleArn,omitempty"`
	// StreamName may have templates.
	StreamName string `json:"streamName"`
	// PartitionKey may have templates: 1 to 256 characters. Without it, keys are random.
	PartitionKey string `json:"partitionKey,omitempty"`
}

const (
	kinesisEntries = 500
	kinesisBytes   = 5 << 20  // of a call; some servers take no more
	kinesisRecord  = 10 << 20 // of a record with its key
	maxPartition   = 256      // characters
	maxStreamName  = 128
)

// Kinesis returns the action for a data stream.
func (s *Services) Kinesis(p Kinesis) actions.Action {
	return &kinesisAction{Kinesis: p, at: s.at("kinesis", p.StreamName, p.RoleARN)}
}

func readKinesis(p params) actions.Action {
	return p.services.Kinesis(Kinesis{RoleARN: p.role(), StreamName: p.Need("streamName"), PartitionKey: p.Text("partitionKey")})
}

type kinesisAction struct {
	Kinesis
	at
	alone atomic.Bool // the role may put single records only
}

// Kind is "kinesis".
func (*kinesisAction) Kind() string { return "kinesis" }

// Resource is the name of the stream.
func (a *kinesisAction) Resource(ev actions.Event) string { return resource(a.StreamName, ev) }

// Params are the name of the stream and the partition key, if there is one.
func (a *kinesisAction) Params() []actions.Param {
	params := []actions.Param{{Name: "streamName", Text: a.StreamName}}
	if a.PartitionKey != "" {
		params = append(params, actions.Param{Name: "partitionKey", Text: a.PartitionKey})
	}
	return params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *kinesisAction) Check() error {
	if err := checkName("streamName", a.StreamName, maxStreamName); err != nil {
		return err
	}
	if !templated(a.PartitionKey) && utf8.RuneCountInString(a.PartitionKey) > maxPartition {
		return actions.WrongField("partitionKey", a.PartitionKey, "1 to 256 characters")
	}
	return a.check()
}

// Batch is what PutRecords takes.
func (a *kinesisAction) Batch() actions.Batch {
	// The keys count too.
	b := actions.Batch{Events: kinesisEntries, Bytes: kinesisBytes - kinesisEntries*maxPartition*utf8.UTFMax, AcrossTopics: true, Parallel: true, Key: byParam(a.StreamName)}
	if a.PartitionKey != "" {
		b.Distinct = func(ev actions.Event) string { return ev.Params[1] }
		b.Parallel = templated(a.PartitionKey) // one key is one order
	}
	return b
}

// Do puts one record.
func (a *kinesisAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// DoBatch puts records into one stream.
func (a *kinesisAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	c, err := client(a.services, a.role, func(c sdk.Config) *kinesis.Client { return kinesis.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	errs := make([]error, len(evs))
	records, of := make([]types.PutRecordsRequestEntry, 0, len(evs)), make([]int, 0, len(evs))
	for i, ev := range evs {
		var r types.PutRecordsRequestEntry
		if r, errs[i] = a.record(ev); errs[i] == nil {
			records, of = append(records, r), append(of, i)
		}
	}
	stream := &evs[0].Params[0]
	alone := func(i int) error {
		_, err := c.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: stream, PartitionKey: records[i].PartitionKey, Data: records[i].Data})
		return judge(err, templated(a.StreamName))
	}
	inBatches(len(records), &a.alone, func(from, to int) error {
		out, err := c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: stream, Records: records[from:to]})
		if err != nil {
			return judge(err, templated(a.StreamName))
		}
		for i := from; i < to; i++ {
			switch {
			case len(out.Records) != to-from:
				errs[of[i]] = errUnanswered
			case out.Records[i-from].ErrorCode != nil:
				r := out.Records[i-from]
				errs[of[i]] = entryError("Kinesis PutRecords", *r.ErrorCode, sdk.ToString(r.ErrorMessage), templated(a.StreamName))
			}
		}
		return nil
	}, alone, func(i int, err error) { errs[of[i]] = err })
	return errs
}

// record makes the record of an event.
func (a *kinesisAction) record(ev actions.Event) (r types.PutRecordsRequestEntry, err error) {
	key := strconv.FormatUint(rand.Uint64(), 36)
	if a.PartitionKey != "" {
		key = ev.Params[1]
		if utf8.RuneCountInString(key) > maxPartition {
			return r, actions.Permanent(actions.WrongField("partitionKey", key, "1 to 256 characters"))
		}
	}
	if n := len(key) + len(ev.Payload); n > kinesisRecord {
		return r, tooLarge(n, kinesisRecord)
	}
	data := ev.Payload
	if data == nil {
		data = []byte{}
	}
	return types.PutRecordsRequestEntry{PartitionKey: &key, Data: data}, nil
}
