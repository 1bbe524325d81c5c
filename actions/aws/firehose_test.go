package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// newDelivery makes a delivery stream and returns the bucket that it delivers to.
func newDelivery(tb testing.TB) (stream, bucket string) {
	tb.Helper()
	c, name := firehose.NewFromConfig(sdkConfig(servertest.Moto(tb))), unique(tb)
	bucket = newBucket(tb)
	_, err := c.CreateDeliveryStream(context.Background(), &firehose.CreateDeliveryStreamInput{
		DeliveryStreamName: &name,
		ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
			BucketARN: sdk.String("arn:aws:s3:::" + bucket), RoleARN: sdk.String(testRole),
		},
	})
	require.NoError(tb, err)
	return name, bucket
}

// delivered returns what a delivery stream has brought, sorted by objects.
func delivered(tb testing.TB, bucket string) (bodies []string) {
	tb.Helper()
	for _, body := range objects(tb, bucket) {
		bodies = append(bodies, body)
	}
	slices.Sort(bodies)
	return bodies
}

func TestFirehose(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	for separator, name := range map[string]string{"": "none", "\n": "newline", "\t": "tab", "\r\n": "Windows", ",": "comma"} {
		t.Run(name, func(t *testing.T) {
			stream, bucket := newDelivery(t)
			member := ""
			if separator != "" {
				b, err := json.Marshal(separator)
				require.NoError(t, err)
				member = `,"separator":` + string(b)
			}
			a := requireDecode(t, s, fmt.Sprintf(`{"firehose":{"roleArn":%q,"deliveryStreamName":%q%s}}`, testRole, stream, member))
			well(t, batch(t, a, events(t, a, "t", `{"n":1}`, "\x00\xff", `[1,2]`)))
			require.Equal(t, strings.Join([]string{`{"n":1}`, "\x00\xff", `[1,2]`, ""}, separator), strings.Join(delivered(t, bucket), ""))
		})
	}
	t.Run("arrays", func(t *testing.T) {
		stream, bucket := newDelivery(t)
		a := requireDecode(t, s, fmt.Sprintf(`{"firehose":{"roleArn":%q,"deliveryStreamName":%q,"separator":"\n","batchMode":true}}`, testRole, stream))
		many := "[" + strings.Repeat("1,", firehoseEntries) + "1]"
		long := `["` + strings.Repeat("x", firehoseRecord) + `"]`
		errs := batch(t, a, events(t, a, "t", `[{"n": 1}, "two",3]`, `{"alone":true}`, `not JSON`, `[]`, many, long, "null"))
		require.Equal(t, "permanent", kindOf(errs[4]))
		require.ErrorContains(t, errs[4], "the array has 501 items, expected at most 500")
		require.Equal(t, "permanent", kindOf(errs[5]))
		errs[4], errs[5] = nil, nil
		well(t, errs)
		require.Equal(t, []string{"{\"n\": 1}\n\"two\"\n3\n{\"alone\":true}\nnot JSON\nnull\n"}, delivered(t, bucket))
	})
	t.Run("more than a call", func(t *testing.T) {
		stream, bucket := newDelivery(t)
		a := s.Firehose(Firehose{DeliveryStreamName: stream, BatchMode: true})
		var payloads []string
		for i := range 4 {
			payloads = append(payloads, "["+strings.Repeat(fmt.Sprintf("%d,", i), 299)+fmt.Sprint(i)+"]")
		}
		large := strings.Repeat("x", 1_000_000)
		payloads = append(payloads, large, large, large, large, large)
		well(t, batch(t, a, events(t, a, "t", payloads...)))
		got := strings.Join(delivered(t, bucket), "")
		require.Len(t, got, 4*300+5_000_000)
		for i := range 4 {
			require.Equal(t, 300, strings.Count(got, fmt.Sprint(i)))
		}
	})
	t.Run("no stream", func(t *testing.T) {
		a := s.Firehose(Firehose{DeliveryStreamName: "missing"})
		err := a.Do(t.Context(), event(t, a, "t", "1"))
		require.Equal(t, "again", kindOf(err))
		require.ErrorContains(t, err, "Firehose PutRecordBatch: ResourceNotFoundException")
	})
}

// deliveryFront takes records, but for those of which busy says that it cannot.
func deliveryFront(tb testing.TB, busy func(data string) bool) (f *front, sent func() []string) {
	type in struct{ Records []struct{ Data []byte } }
	f = newFront(tb, func(w http.ResponseWriter, r request) {
		var put in
		if json.Unmarshal(r.body, &put) != nil || r.target() != "PutRecordBatch" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		failed, answers := 0, []map[string]string{}
		for _, rec := range put.Records {
			if busy(string(rec.Data)) {
				failed++
				answers = append(answers, map[string]string{"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."})
			} else {
				answers = append(answers, map[string]string{"RecordId": "r"})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"FailedPutCount": failed, "RequestResponses": answers})
	})
	return f, func() (calls []string) {
		for _, r := range f.requests() {
			var put in
			require.NoError(tb, json.Unmarshal(r.body, &put))
			call := ""
			for _, rec := range put.Records {
				call += string(rec.Data) + " "
			}
			calls = append(calls, call)
		}
		return calls
	}
}

// TestFirehoseTakesAPart checks that only the records that were not taken are sent again,
// of arrays too.
func TestFirehoseTakesAPart(t *testing.T) {
	busy := true
	f, sent := deliveryFront(t, func(data string) bool { return busy && (data == "2" || data == "5") })
	a := open(t, f.url, nil).Firehose(Firehose{DeliveryStreamName: "s", BatchMode: true})
	evs := events(t, a, "t", "[1,2,3]", "[4]", "5", "[6,7]")
	errs := batch(t, a, evs)
	kinds := []string{}
	for _, err := range errs {
		kinds = append(kinds, kindOf(err))
	}
	require.Equal(t, []string{"again", "well", "again", "well"}, kinds)
	require.ErrorContains(t, errs[0], "Firehose PutRecordBatch: ServiceUnavailableException: Slow down.")
	again := []actions.Event{evs[0], evs[2]}
	for i := range again {
		again[i].Attempt++
	}
	errs = batch(t, a, again)
	require.Equal(t, "again", kindOf(errs[0]))
	busy = false
	well(t, batch(t, a, again))
	require.Equal(t, []string{"1 2 3 4 5 6 7 ", "2 5 ", "2 5 "}, sent())
	require.Empty(t, a.(*firehoseAction).taken)
}

// TestFirehoseForgets checks that events which never come again cost a bounded memory.
func TestFirehoseForgets(t *testing.T) {
	f, _ := deliveryFront(t, func(data string) bool { return data == "2" })
	a := open(t, f.url, nil).Firehose(Firehose{DeliveryStreamName: "s", BatchMode: true})
	for range 5 {
		var payloads []string
		for range 250 {
			payloads = append(payloads, "[1,2]")
		}
		batch(t, a, events(t, a, "t", payloads...))
	}
	taken := a.(*firehoseAction).taken
	require.NotEmpty(t, taken)
	require.LessOrEqual(t, len(taken), mostTaken)
}

func TestFirehoseErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "slow down", code: "ServiceUnavailableException", status: 503, want: "again"},
		{name: "throttled", code: "ThrottlingException", status: 400, want: "again"},
		{name: "no stream", code: "ResourceNotFoundException", status: 400, want: "again"},
		{name: "key disabled", code: "InvalidKMSResourceException", status: 400, want: "again"},
		{name: "by itself", code: "InternalFailure", status: 500, want: "again"},
		{name: "invalid", code: "InvalidArgumentException", status: 400, want: "permanent"},
		{name: "source", code: "InvalidSourceException", status: 400, want: "permanent"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.Firehose(Firehose{DeliveryStreamName: "s"})
		return a, event(t, a, "t", "1")
	}, jsonError)
}

func TestFirehoseRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	role := `"roleArn":"` + testRole + `",`
	for text, expected := range map[string]string{
		`{"firehose":{"deliveryStreamName":"s"}}`:                             "roleArn is missing",
		`{"firehose":{` + role + `"batchMode":true}}`:                         "deliveryStreamName is missing",
		`{"firehose":{` + role + `"deliveryStreamName":"a b"}}`:               `deliveryStreamName is "a b"`,
		`{"firehose":{` + role + `"deliveryStreamName":"s","separator":";"}}`: `separator is ";", expected "\n", "\t", "\r\n" or ","`,
		`{"firehose":{` + role + `"deliveryStreamName":"s","batch":true}}`:    "batch is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigFirehose is a delivery stream at moto, which delivers to a bucket at once.
func rigFirehose(tb testing.TB) sinktest.Rig {
	stream, bucket := newDelivery(tb)
	return sinktest.Rig{
		Addr: addr(servertest.Moto(tb)), HTTP: true, Unordered: true, Poison: []byte("[" + strings.Repeat("1,", firehoseEntries) + "1]"),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).Firehose(Firehose{DeliveryStreamName: stream, Separator: "\n", BatchMode: true})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, body := range delivered(tb, bucket) {
				for line := range strings.Lines(body) {
					got = append(got, sinktest.Parse(tb, []byte(line)))
				}
			}
			return got
		},
	}
}

func TestFirehoseFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigFirehose)
}

func BenchmarkFirehose(b *testing.B) { sinktest.Bench(b, rigFirehose) }
