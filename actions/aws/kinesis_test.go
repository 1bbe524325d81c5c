package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// newStream makes a data stream of one shard.
func newStream(tb testing.TB) string {
	tb.Helper()
	c, name := kinesis.NewFromConfig(sdkConfig(servertest.Moto(tb))), unique(tb)
	_, err := c.CreateStream(context.Background(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: sdk.Int32(1)})
	require.NoError(tb, err)
	return name
}

// streamed returns the records of a data stream in their order.
func streamed(tb testing.TB, stream string) (records []types.Record) {
	tb.Helper()
	c := kinesis.NewFromConfig(sdkConfig(servertest.Moto(tb)))
	shards, err := c.ListShards(context.Background(), &kinesis.ListShardsInput{StreamName: &stream})
	require.NoError(tb, err)
	for _, s := range shards.Shards {
		at, err := c.GetShardIterator(context.Background(), &kinesis.GetShardIteratorInput{
			StreamName: &stream, ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		require.NoError(tb, err)
		for next := at.ShardIterator; next != nil; {
			out, err := c.GetRecords(context.Background(), &kinesis.GetRecordsInput{ShardIterator: next})
			require.NoError(tb, err)
			if len(out.Records) == 0 {
				break
			}
			records = append(records, out.Records...)
			next = out.NextShardIterator
		}
	}
	return records
}

func TestKinesis(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	stream := newStream(t)

	t.Run("a key for each topic", func(t *testing.T) {
		a := requireDecode(t, s, fmt.Sprintf(`{"kinesis":{"roleArn":%q,"streamName":%q,"partitionKey":"${topic()}"}}`, testRole, stream))
		evs := []actions.Event{event(t, a, "dt/ü", "\x00\xff"), event(t, a, "dt/b", `{"n":2}`), event(t, a, strings.Repeat("x", 257), "3"), event(t, a, "dt/c", "")}
		errs := batch(t, a, evs)
		require.Equal(t, "permanent", kindOf(errs[2]))
		require.ErrorContains(t, errs[2], "partitionKey")
		errs[2] = nil
		well(t, errs)
		got := streamed(t, stream)
		require.Len(t, got, 3)
		require.Equal(t, "dt/ü", *got[0].PartitionKey)
		require.Equal(t, "\x00\xff", string(got[0].Data))
		require.Equal(t, `{"n":2}`, string(got[1].Data))
		require.Empty(t, got[2].Data)

		b := a.(actions.Batcher).Batch()
		require.Equal(t, "dt/b", b.Distinct(evs[1]))
		require.Nil(t, b.Key)
	})
	t.Run("random keys", func(t *testing.T) {
		a := requireDecode(t, s, fmt.Sprintf(`{"kinesis":{"roleArn":%q,"streamName":%q}}`, testRole, stream))
		before := len(streamed(t, stream))
		well(t, batch(t, a, events(t, a, "t", "1", "2")))
		got := streamed(t, stream)[before:]
		require.Len(t, got, 2)
		require.NotEqual(t, *got[0].PartitionKey, *got[1].PartitionKey)
		require.Nil(t, a.(actions.Batcher).Batch().Distinct)
	})
	t.Run("no stream", func(t *testing.T) {
		err := s.Kinesis(Kinesis{StreamName: "missing"}).Do(t.Context(), event(t, s.Kinesis(Kinesis{StreamName: "missing"}), "t", "1"))
		require.Equal(t, "again", kindOf(err))
		require.ErrorContains(t, err, "Kinesis PutRecords: ResourceNotFoundException")
		a := s.Kinesis(Kinesis{StreamName: "${topic(2)}"})
		err = a.Do(t.Context(), event(t, a, "t/missing", "1"))
		require.Equal(t, "permanent", kindOf(err), "the device has chosen the stream: %v", err)
	})
}

// putRecords is what PutRecords sends.
type putRecords struct {
	StreamName string
	Records    []struct {
		Data         []byte
		PartitionKey string
	}
}

func TestKinesisTakesAPart(t *testing.T) {
	f := newFront(t, func(w http.ResponseWriter, r request) {
		var in putRecords
		if json.Unmarshal(r.body, &in) != nil || r.target() != "PutRecords" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		type record map[string]string
		out := struct {
			FailedRecordCount int
			Records           []record
		}{}
		for _, rec := range in.Records {
			switch string(rec.Data) {
			case "throttled":
				out.Records = append(out.Records, record{"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard"})
			case "broken":
				out.Records = append(out.Records, record{"ErrorCode": "InternalFailure", "ErrorMessage": "Internal Service Failure"})
			default:
				out.Records = append(out.Records, record{"SequenceNumber": "1", "ShardId": "s"})
				continue
			}
			out.FailedRecordCount++
		}
		_ = json.NewEncoder(w).Encode(out)
	})
	a := open(t, f.url, nil).Kinesis(Kinesis{StreamName: "s"})
	errs := batch(t, a, events(t, a, "t", "1", "throttled", "3", "broken"))
	require.NoError(t, errs[0])
	require.NoError(t, errs[2])
	require.Equal(t, "again", kindOf(errs[1]))
	require.ErrorContains(t, errs[1], "Kinesis PutRecords: ProvisionedThroughputExceededException: Rate exceeded for shard")
	require.Equal(t, "again", kindOf(errs[3]))
}

// TestKinesisWithAnOldRole checks a role that was made for a rule of AWS: it may put single
// records only.
func TestKinesisWithAnOldRole(t *testing.T) {
	asked := 0
	f := newFront(t, func(w http.ResponseWriter, r request) {
		if r.target() == "PutRecords" {
			asked++
			header, body := jsonError(verdictCase{code: "AccessDeniedException"})
			for name, v := range header {
				w.Header().Set(name, v)
			}
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(body))
			return
		}
		_, _ = w.Write([]byte(`{"SequenceNumber":"1","ShardId":"s"}`))
	})
	a := open(t, f.url, nil).Kinesis(Kinesis{StreamName: "s"})
	well(t, batch(t, a, events(t, a, "t", "1", "2", "3")))
	well(t, batch(t, a, events(t, a, "t", "4", "5")))
	require.Equal(t, 1, asked)
	var data []string
	for _, r := range f.requests() {
		require.Equal(t, "PutRecord", r.target())
		var in struct{ Data []byte }
		require.NoError(t, json.Unmarshal(r.body, &in))
		data = append(data, string(in.Data))
	}
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, data)
}

func TestKinesisErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "throttled", code: "ProvisionedThroughputExceededException", status: 400, want: "again"},
		{name: "throttled by KMS", code: "KMSThrottlingException", status: 400, want: "again"},
		{name: "key disabled", code: "KMSDisabledException", status: 400, want: "again"},
		{name: "being made", code: "ResourceInUseException", status: 400, want: "again"},
		{name: "no stream", code: "ResourceNotFoundException", status: 400, want: "again"},
		{name: "denied", code: "AccessDeniedException", status: 400, want: "again"},
		{name: "expired", code: "ExpiredTokenException", status: 400, want: "again"},
		{name: "by itself", code: "InternalFailure", status: 500, want: "again"},
		{name: "overloaded", code: "ServiceUnavailable", status: 503, want: "again"},
		{name: "invalid", code: "InvalidArgumentException", status: 400, want: "permanent"},
		{name: "not valid", code: "ValidationException", status: 400, want: "permanent"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.Kinesis(Kinesis{StreamName: "s"})
		return a, event(t, a, "t", "1")
	}, jsonError)
}

func TestKinesisRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	for text, expected := range map[string]string{
		`{"kinesis":{"streamName":"s"}}`:                                                                                "roleArn is missing",
		`{"kinesis":{"roleArn":"` + testRole + `"}}`:                                                                    "streamName is missing",
		`{"kinesis":{"roleArn":"` + testRole + `","stream":"s"}}`:                                                       "streamName is missing",
		`{"kinesis":{"roleArn":"` + testRole + `","streamName":"a/b"}}`:                                                 `streamName is "a/b"`,
		`{"kinesis":{"roleArn":"` + testRole + `","streamName":"s","partitionKey":"` + strings.Repeat("k", 257) + `"}}`: "partitionKey",
		`{"kinesis":{"roleArn":"` + testRole + `","streamName":"s","batch":true}}`:                                      "batch is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigKinesis is a stream of one shard at moto.
func rigKinesis(key string) func(tb testing.TB) sinktest.Rig {
	return func(tb testing.TB) sinktest.Rig {
		stream := newStream(tb)
		return sinktest.Rig{
			Addr: addr(servertest.Moto(tb)), HTTP: true, Unordered: key == "",
			Poison: []byte(`{"key":"` + strings.Repeat("x", maxPartition+1) + `","n":1}`),
			Action: func(tb testing.TB, addr string) actions.Action {
				return faulty(tb, addr).Kinesis(Kinesis{StreamName: stream, PartitionKey: key})
			},
			Read: func(tb testing.TB) (got []sinktest.Record) {
				for _, r := range streamed(tb, stream) {
					got = append(got, sinktest.Parse(tb, r.Data))
				}
				return got
			},
		}
	}
}

// rigKinesisAlone is rigKinesis with one call at a time: moto gives records of calls at the
// same time the same number, and so loses one.
func rigKinesisAlone(tb testing.TB) sinktest.Rig {
	rig := rigKinesis("${key}")(tb)
	moto := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL.Scheme, p.Out.URL.Host = "http", addr(servertest.Moto(tb)) }}
	var mu sync.Mutex
	f := newFront(tb, func(w http.ResponseWriter, r request) {
		again := r.Clone(context.Background()) // moto goes on when the caller has gone
		again.Body = io.NopCloser(bytes.NewReader(r.body))
		mu.Lock()
		defer mu.Unlock()
		moto.ServeHTTP(w, again)
	})
	rig.Addr = addr(f.url)
	return rig
}

func TestKinesisFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigKinesisAlone)
}

func BenchmarkKinesis(b *testing.B) {
	b.Run("random keys", func(b *testing.B) { sinktest.Bench(b, rigKinesis("")) })
	b.Run("key of the device", func(b *testing.B) { sinktest.Bench(b, rigKinesis("${topic()}")) })
}
