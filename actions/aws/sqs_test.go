package aws

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// newQueue makes a queue and returns its URL.
func newQueue(tb testing.TB, suffix string) (*sqs.Client, string) {
	tb.Helper()
	c := sqs.NewFromConfig(sdkConfig(servertest.Moto(tb)))
	attributes := map[string]string{}
	if suffix != "" {
		attributes["FifoQueue"] = "true"
	}
	out, err := c.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: sdk.String(unique(tb) + suffix), Attributes: attributes})
	require.NoError(tb, err)
	return c, *out.QueueUrl
}

// receive returns the messages of a queue that has n, and removes them.
func receive(tb testing.TB, c *sqs.Client, queue string) (messages []types.Message) {
	tb.Helper()
	for {
		out, err := c.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
			QueueUrl: &queue, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		require.NoError(tb, err)
		if len(out.Messages) == 0 {
			return messages
		}
		messages = append(messages, out.Messages...)
		entries := []types.DeleteMessageBatchRequestEntry{}
		for i, m := range out.Messages {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: sdk.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		_, err = c.DeleteMessageBatch(context.Background(), &sqs.DeleteMessageBatchInput{QueueUrl: &queue, Entries: entries})
		require.NoError(tb, err)
	}
}

func bodies(messages []types.Message) (texts []string) {
	for _, m := range messages {
		texts = append(texts, *m.Body)
	}
	return texts
}

func TestSQS(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	c, queue := newQueue(t, "")
	text := fmt.Sprintf(`{"sqs":{"roleArn":%q,"queueUrl":%q,"useBase64":false}}`, testRole, queue)
	a := requireDecode(t, s, text)

	t.Run("as text", func(t *testing.T) {
		well(t, batch(t, a, events(t, a, "a/b", `{"n":1}`, "ünï\tcode\r\n", `{"n":3}`)))
		require.NoError(t, a.Do(t.Context(), event(t, a, "a/b", "alone")))
		got := receive(t, c, queue)
		require.ElementsMatch(t, []string{`{"n":1}`, "ünï\tcode\r\n", `{"n":3}`, "alone"}, bodies(got))
		require.NotContains(t, got[0].Attributes, "MessageGroupId")
	})
	t.Run("as base64", func(t *testing.T) {
		a := requireDecode(t, s, fmt.Sprintf(`{"sqs":{"roleArn":%q,"queueUrl":%q,"useBase64":true}}`, testRole, queue))
		well(t, batch(t, a, events(t, a, "a/b", "\x00\xff", "b")))
		require.ElementsMatch(t, []string{base64.StdEncoding.EncodeToString([]byte("\x00\xff")), "Yg=="}, bodies(receive(t, c, queue)))
	})
	t.Run("refused one by one", func(t *testing.T) {
		errs := batch(t, a, events(t, a, "a/b", "good", "", "\xff", "a\x00b", strings.Repeat("x", sqsBytes+1), "also good"))
		kinds := []string{}
		for _, err := range errs {
			kinds = append(kinds, kindOf(err))
		}
		require.Equal(t, []string{"well", "permanent", "permanent", "permanent", "permanent", "well"}, kinds)
		require.ErrorContains(t, errs[1], "empty")
		require.ErrorContains(t, errs[2], "not UTF-8, expected useBase64")
		require.ErrorContains(t, errs[3], "control characters")
		require.ErrorContains(t, errs[4], "1048577 bytes, the service takes 1048576")
		require.ElementsMatch(t, []string{"good", "also good"}, bodies(receive(t, c, queue)))
	})
	t.Run("a queue for each device", func(t *testing.T) {
		a := s.SQS(SQS{QueueURL: queue[:strings.LastIndex(queue, "/")] + "/${topic(2)}"})
		require.NoError(t, a.(actions.Checker).Check())
		b := a.(actions.Batcher).Batch()
		ev := event(t, a, "to/x", "for x", queue)
		require.Equal(t, queue, b.Key(ev))
		require.NoError(t, a.Do(t.Context(), ev))
		require.Equal(t, []string{"for x"}, bodies(receive(t, c, queue)))
		err := a.Do(t.Context(), event(t, a, "to/x", "for x", queue+"missing"))
		require.Equal(t, "permanent", kindOf(err), "the device has chosen the queue: %v", err)
	})
	t.Run("no queue", func(t *testing.T) {
		a := s.SQS(SQS{QueueURL: queue + "missing"})
		err := a.Do(t.Context(), event(t, a, "a", "b"))
		require.Equal(t, "again", kindOf(err), "%v", err)
		require.ErrorContains(t, err, "SQS SendMessageBatch: ")
		require.ErrorContains(t, err, "NonExistentQueue")
	})
}

func TestSQSFIFO(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	c, queue := newQueue(t, ".fifo")
	a := requireDecode(t, s, fmt.Sprintf(`{"sqs":{"roleArn":%q,"queueUrl":%q,"useBase64":false}}`, testRole, queue))
	evs := []actions.Event{event(t, a, "a/b", "1"), event(t, a, "a/ü", "2"), event(t, a, "a/b", "3")}
	well(t, batch(t, a, evs))
	well(t, batch(t, a, evs)) // an answer that was lost
	got := receive(t, c, queue)
	require.Equal(t, []string{"1", "2", "3"}, bodies(got))
	require.Equal(t, "a/b", got[0].Attributes["MessageGroupId"])
	require.Equal(t, asID("a/ü"), got[1].Attributes["MessageGroupId"])
	require.Equal(t, evs[0].ID(), got[0].Attributes["MessageDeduplicationId"])

	b := a.(actions.Batcher).Batch()
	require.Equal(t, "a/b", b.Distinct(evs[0]))
	require.True(t, b.Parallel)

	a = requireDecode(t, s, fmt.Sprintf(`{"sqs":{"roleArn":%q,"queueUrl":%q,"useBase64":false,"messageGroupId":"all","messageDeduplicationId":"${id}"}}`, testRole, queue))
	require.False(t, a.(actions.Batcher).Batch().Parallel)
	well(t, batch(t, a, []actions.Event{event(t, a, "a", "1", "x1"), event(t, a, "b", "2", "x2"), event(t, a, "b", "again", "x1")}))
	got = receive(t, c, queue)
	require.Equal(t, []string{"1", "2"}, bodies(got))
	require.Equal(t, "all", got[0].Attributes["MessageGroupId"])
	require.Equal(t, "x1", got[0].Attributes["MessageDeduplicationId"])

	err := a.Do(t.Context(), event(t, a, "a", "1", "has blanks"))
	require.Equal(t, "permanent", kindOf(err))
	require.ErrorContains(t, err, `messageDeduplicationId is "has blanks"`)
}

func TestSQSRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	const url = "https://sqs.eu-central-1.amazonaws.com/1/q"
	for text, expected := range map[string]string{
		`{"sqs":{"queueUrl":"` + url + `"}}`:                                                           "sqs: roleArn is missing",
		`{"sqs":{"roleArn":"arn:aws:iam::1:role/other","queueUrl":"` + url + `"}}`:                     `roleArn is "arn:aws:iam::1:role/other", expected a role that the host has credentials for`,
		`{"sqs":{"roleArn":"admin","queueUrl":"` + url + `"}}`:                                         `roleArn is "admin", expected the ARN of a role`,
		`{"sqs":{"roleArn":"` + testRole + `"}}`:                                                       "queueUrl is missing",
		`{"sqs":{"roleArn":"` + testRole + `","queueUrl":"q"}}`:                                        `queueUrl is "q", expected the URL of a queue`,
		`{"sqs":{"roleArn":"` + testRole + `","queueUrl":"` + url + `","useBase64":"yes"}}`:            "useBase64",
		`{"sqs":{"roleArn":"` + testRole + `","queueUrl":"` + url + `","delay":1}}`:                    "delay is not known",
		`{"sqs":{"roleArn":"` + testRole + `","queueUrl":"` + url + `","messageDeduplicationId":"a"}}`: "messageDeduplicationId",
		`{"sqs":{"roleArn":"` + testRole + `","queueUrl":"` + url + `.fifo","messageGroupId":"a b"}}`:  "messageGroupId",
		`{"sqs":{"roleArn":"` + testRole + `","queueUrl":"` + url + `","sink":"elsewhere"}}`:           `sink is "elsewhere", expected one of default`,
	} {
		requireRefused(t, s, text, expected)
	}
}

// TestSQSTakesAPart checks the answers for single messages.
func TestSQSTakesAPart(t *testing.T) {
	f := answers(t, http.StatusOK, `{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"c4ca4238a0b923820dcc509a6f75849b"}],"Failed":[
		{"Id":"1","Code":"InternalError","Message":"oops","SenderFault":false},
		{"Id":"2","Code":"InvalidMessageContents","Message":"no","SenderFault":true},
		{"Id":"3","Code":"RequestThrottled","Message":"slow down","SenderFault":true},
		{"Id":"4","Code":"Strange","Message":"?","SenderFault":false}]}`)
	a := open(t, f.url, nil).SQS(SQS{QueueURL: f.url + "/1/q"})
	errs := batch(t, a, events(t, a, "t", "1", "2", "3", "4", "5", "6"))
	kinds := []string{}
	for _, err := range errs {
		kinds = append(kinds, kindOf(err))
	}
	require.Equal(t, []string{"well", "again", "permanent", "again", "again", "again"}, kinds)
	require.ErrorContains(t, errs[2], "SQS SendMessageBatch: InvalidMessageContents: no")
	require.ErrorIs(t, errs[5], errUnanswered)
}

func TestSQSErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "throttled", code: "RequestThrottled", status: 400, want: "again"},
		{name: "no queue", code: "com.amazonaws.sqs#QueueDoesNotExist", status: 400, want: "again"},
		{name: "denied", code: "AccessDeniedException", status: 403, want: "again"},
		{name: "no such user", code: "InvalidClientTokenId", status: 403, want: "again"},
		{name: "wrong clock", code: "RequestExpired", status: 400, want: "again"},
		{name: "by itself", code: "InternalFailure", status: 500, want: "again"},
		{name: "proxy", status: 502, body: "<html>", want: "again"},
		{name: "too long", code: "com.amazonaws.sqs#BatchRequestTooLong", status: 400, want: "permanent"},
		{name: "unsupported", code: "com.amazonaws.sqs#UnsupportedOperation", status: 400, want: "permanent"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.SQS(SQS{QueueURL: "https://sqs.eu-central-1.amazonaws.com/1/q"})
		return a, event(t, a, "t", "1")
	}, jsonError)
}

// drain takes the messages of a queue all the time: moto needs the longer for one the more
// there are. What it returns is a Rig.Read.
func drain(tb testing.TB, c *sqs.Client, queue string, parse func(m types.Message) sinktest.Record) func(tb testing.TB) []sinktest.Record {
	if _, ok := tb.(*testing.B); ok {
		return nil // nobody reads what a benchmark writes
	}
	var (
		mu      sync.Mutex
		got     []sinktest.Record
		reading sync.WaitGroup
	)
	done := make(chan struct{})
	reading.Go(func() {
		for {
			messages := receive(tb, c, queue)
			mu.Lock()
			for _, m := range messages {
				got = append(got, parse(m))
			}
			mu.Unlock()
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	tb.Cleanup(func() {
		close(done)
		reading.Wait()
	})
	return func(testing.TB) []sinktest.Record {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

// rigSQS is a queue at moto. (It forgets the deduplication ids of messages that are taken,
// so what was sent again may come twice; TestSQSFIFO shows that they are sent.)
func rigSQS(suffix string) func(tb testing.TB) sinktest.Rig {
	return func(tb testing.TB) sinktest.Rig {
		c, queue := newQueue(tb, suffix)
		p := SQS{QueueURL: queue}
		rig := sinktest.Rig{Addr: addr(servertest.Moto(tb)), HTTP: true, Unordered: suffix == "", Poison: []byte("\x00")}
		if suffix != "" {
			p.MessageGroupID, rig.Poison = "${key}", []byte(`{"key":"has blanks"}`)
		}
		rig.Action = func(tb testing.TB, addr string) actions.Action { return faulty(tb, addr).SQS(p) }
		rig.Read = drain(tb, c, queue, func(m types.Message) sinktest.Record { return sinktest.Parse(tb, []byte(*m.Body)) })
		return rig
	}
}

// kept is a Rig.Read for a FIFO queue which nobody reads: the messages of the calls that
// moto has taken, in their order, once it has as many as these are, each once.
func kept(c *sqs.Client, queue string, f *front, texts func(tb testing.TB, r request) []string) func(tb testing.TB) []sinktest.Record {
	return func(tb testing.TB) (got []sinktest.Record) {
		once := map[sinktest.Record]bool{}
		for _, r := range f.requests() {
			for _, text := range texts(tb, r) {
				rec := sinktest.Parse(tb, []byte(text))
				got, once[rec] = append(got, rec), true
			}
		}
		out, err := c.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{
			QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages},
		})
		require.NoError(tb, err)
		if n := out.Attributes["ApproximateNumberOfMessages"]; n != strconv.Itoa(len(once)) {
			tb.Logf("the queue has %s messages, and %d were taken", n, len(once))
			return nil
		}
		return got
	}
}

// rigSQSStored is rigSQS of a FIFO queue whose messages stay there: moto needs seconds to
// give them out.
func rigSQSStored(tb testing.TB) sinktest.Rig {
	c, queue := newQueue(tb, ".fifo")
	f := before(tb)
	return sinktest.Rig{
		Addr: addr(f.url), HTTP: true, Poison: []byte(`{"key":"has blanks"}`),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).SQS(SQS{QueueURL: queue, MessageGroupID: "${key}"})
		},
		Read: kept(c, queue, f, func(tb testing.TB, r request) (texts []string) {
			var in struct {
				Entries []struct{ MessageBody string }
			}
			require.NoError(tb, json.Unmarshal(r.body, &in))
			for _, e := range in.Entries {
				texts = append(texts, e.MessageBody)
			}
			return texts
		}),
	}
}

// TestSQSFaults has a FIFO queue, which asks for more than a standard one; make soak has
// both, and takes their messages.
func TestSQSFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigSQSStored)
}

func BenchmarkSQS(b *testing.B) {
	b.Run("standard", func(b *testing.B) { sinktest.Bench(b, rigSQS("")) })
	b.Run("FIFO", func(b *testing.B) { sinktest.Bench(b, rigSQS(".fifo")) })
}
