package aws

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/sinktest"
)

type object = map[string]json.RawMessage

// A batchCall is how an operation refuses a part of a batch: the member of the request with
// the entries, that of the answer with a result for each, and a result that passes.
type batchCall struct {
	entries, results string
	refusal          object
}

var batchCalls = map[string]batchCall{
	"PutRecords":     {"Records", "Records", refusal("ErrorCode", "ProvisionedThroughputExceededException")},
	"PutRecordBatch": {"Records", "RequestResponses", refusal("ErrorCode", "ServiceUnavailableException")},
	"PutEvents":      {"Entries", "Entries", refusal("ErrorCode", "ThrottlingException")},
	// Those that were taken have a list of their own.
	"SendMessageBatch": {"Entries", "Failed", refusal("Code", "InternalError")},
	// What was not taken comes back as it is.
	"BatchWriteItem": {entries: "RequestItems"},
}

func refusal(member, code string) object {
	return object{member: json.RawMessage(`"` + code + `"`), "ErrorMessage": json.RawMessage(`"for now"`), "SenderFault": json.RawMessage(`false`)}
}

// partly puts a server before that of a rig which keeps the entries of batches that it takes
// from a fifth of them, at random, and says that they may come again. It counts them.
func partly(newRig func(tb testing.TB) sinktest.Rig, refused *atomic.Int64) func(tb testing.TB) sinktest.Rig {
	return func(tb testing.TB) sinktest.Rig {
		rig := newRig(tb)
		to := "http://" + rig.Addr
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the connection has ended
			}
			forward := func(body []byte) (status int, contentType string, answer []byte) {
				q, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.RequestURI, bytes.NewReader(body))
				if err != nil {
					return http.StatusBadGateway, "", nil
				}
				q.Header, q.Host = r.Header.Clone(), r.Host
				resp, err := http.DefaultClient.Do(q)
				if err != nil {
					return http.StatusBadGateway, "", nil
				}
				defer resp.Body.Close()
				if answer, err = io.ReadAll(resp.Body); err != nil {
					return http.StatusBadGateway, "", nil
				}
				return resp.StatusCode, resp.Header.Get("Content-Type"), answer
			}
			call, ok := batchCalls[request{Request: r}.target()]
			var in object
			if !ok || json.Unmarshal(body, &in) != nil {
				status, contentType, answer := forward(body)
				w.Header().Set("Content-Type", contentType)
				w.WriteHeader(status)
				_, _ = w.Write(answer)
				return
			}
			p := split(in, call)
			refused.Add(int64(len(p.refused)))
			status, contentType, answer := http.StatusOK, r.Header.Get("Content-Type"), []byte(`{}`)
			if p.kept > 0 {
				status, contentType, answer = forward(encode(in))
			}
			var out object
			if status == http.StatusOK && json.Unmarshal(answer, &out) == nil {
				p.tell(out)
				answer = encode(out)
			}
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write(answer)
		}))
		tb.Cleanup(s.Close)
		rig.Addr = addr(s.URL)
		return rig
	}
}

// A parting is what becomes of a batch.
type parting struct {
	call    batchCall
	kept    int
	refused map[int]json.RawMessage // by their places
	table   string                  // of BatchWriteItem
}

// split takes entries out of a request.
func split(in object, call batchCall) parting {
	p := parting{call: call, refused: map[int]json.RawMessage{}}
	var entries, kept []json.RawMessage
	if call.results == "" {
		var of map[string][]json.RawMessage
		decode(in[call.entries], &of)
		for p.table, entries = range of { // it is one table
		}
	} else {
		decode(in[call.entries], &entries)
	}
	for i, e := range entries {
		if rand.N(5) == 0 {
			p.refused[i] = e
		} else {
			kept = append(kept, e)
		}
	}
	p.kept = len(kept)
	if in[call.entries] = encode(kept); call.results == "" {
		in[call.entries] = encode(map[string]any{p.table: kept})
	}
	return p
}

// tell puts what was refused into an answer.
func (p parting) tell(out object) {
	switch p.call.results {
	case "":
		if len(p.refused) > 0 {
			var items []json.RawMessage
			for _, e := range p.refused {
				items = append(items, e)
			}
			out["UnprocessedItems"] = encode(map[string]any{p.table: items})
		}
	case "Failed":
		var failed []object
		for _, e := range p.refused {
			var entry struct{ ID json.RawMessage }
			decode(e, &entry)
			f := object{"Id": entry.ID}
			for name, v := range p.call.refusal {
				f[name] = v
			}
			failed = append(failed, f)
		}
		out["Failed"] = encode(failed)
	default:
		var taken, all []json.RawMessage
		if out[p.call.results] != nil {
			decode(out[p.call.results], &taken)
		}
		for i := range p.kept + len(p.refused) {
			if p.refused[i] != nil {
				all = append(all, encode(p.call.refusal))
			} else if len(taken) > 0 {
				all, taken = append(all, taken[0]), taken[1:]
			}
		}
		out[p.call.results] = encode(all)
		failed := encode(len(p.refused))
		out["FailedRecordCount"], out["FailedPutCount"], out["FailedEntryCount"] = failed, failed, failed
	}
}

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func decode(data []byte, v any) {
	if err := json.Unmarshal(data, v); err != nil {
		panic(err)
	}
}

// TestPartlyFaults is the TestXFaults of services that may take a part of a batch, which
// they do all the time here: nothing is lost, and what has an order keeps it.
func TestPartlyFaults(t *testing.T) {
	t.Parallel()
	for name, rig := range map[string]func(tb testing.TB) sinktest.Rig{
		"DynamoDB": rigDynamoV1, "DynamoDBv2": rigDynamo, "EventBridge": rigBus, "Firehose": rigFirehose,
		"Kinesis": rigKinesisAlone, "SQS FIFO": rigSQSStored,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused atomic.Int64
			sinktest.Run(t, partly(rig, &refused))
			require.Positive(t, refused.Load())
		})
	}
}
