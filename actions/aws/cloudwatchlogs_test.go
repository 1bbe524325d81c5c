package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// newLogGroup makes a log group at moto and returns its name.
func newLogGroup(tb testing.TB) string {
	tb.Helper()
	name := "/rules/" + unique(tb)
	_, err := cloudwatchlogs.NewFromConfig(sdkConfig(servertest.Moto(tb))).CreateLogGroup(context.Background(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name})
	require.NoError(tb, err)
	return name
}

// logged returns the log events of a stream, oldest first; none if there is no stream.
func logged(tb testing.TB, group, stream string) (events []types.OutputLogEvent) {
	tb.Helper()
	c := cloudwatchlogs.NewFromConfig(sdkConfig(servertest.Moto(tb)))
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream, StartFromHead: sdk.Bool(true)}
	for {
		out, err := c.GetLogEvents(context.Background(), in)
		if err != nil && strings.Contains(err.Error(), "ResourceNotFoundException") {
			return nil
		}
		require.NoError(tb, err)
		if len(out.Events) == 0 || in.NextToken != nil && *in.NextToken == *out.NextForwardToken {
			return events
		}
		events = append(events, out.Events...)
		in.NextToken = out.NextForwardToken
	}
}

func messages(events []types.OutputLogEvent) (texts []string) {
	for _, e := range events {
		texts = append(texts, *e.Message)
	}
	return texts
}

func TestCloudWatchLogs(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	group := newLogGroup(t)
	now := time.Now().Truncate(time.Millisecond)

	t.Run("payloads", func(t *testing.T) {
		a := requireDecode(t, s, `{"cloudwatchLogs":{"roleArn":"`+testRole+`","logGroupName":"`+group+`"}}`)
		require.Nil(t, a.(actions.Batcher).Batch().Key)
		evs := events(t, a, "a/b", `{"temp": 20}`, "late\xff", "", "first")
		for i, after := range []time.Duration{2, 3, 0, -1} {
			evs[i].Message.Time = now.Add(after * time.Millisecond)
		}
		errs := batch(t, a, evs)
		require.Equal(t, "permanent", kindOf(errs[2]), "there are no empty log events")
		well(t, append(errs[:2:2], errs[3]))
		got := logged(t, group, "rule")
		require.Equal(t, []string{"first", `{"temp": 20}`, "late\ufffd"}, messages(got))
		require.Equal(t, now.UnixMilli()+2, *got[1].Timestamp)
		require.NoError(t, a.Do(t.Context(), event(t, a, "a", "alone")), "the stream is there")
	})
	t.Run("arrays", func(t *testing.T) {
		a := requireDecode(t, s, `{"cloudwatchLogs":{"roleArn":"`+testRole+`","logGroupName":"${group}","batchMode":true}}`)
		ms := now.UnixMilli()
		array := func(items ...string) actions.Event {
			ev := event(t, a, "a/b", "["+strings.Join(items, ",")+"]", group)
			ev.Rule = "arrays"
			return ev
		}
		item := func(at int64, text string) string { return fmt.Sprintf(`{"timestamp":%d,"message":%q}`, at, text) }
		evs := []actions.Event{
			array(item(ms, "3"), item(ms-10, "1")), array(), array(item(ms-5, "2"), item(ms+5, "4")),
			array(item(ms+9, "5"), item(ms+3*3600*1000, "in three hours")),
			array(`{"message":"when?"}`), array(`{"timestamp":1}`), array(`null`), array(`"text"`), array(item(ms, "")), array(`{"timestamp":1.5,"message":"m"}`),
		}
		evs[1].Payload = []byte(`[]`)
		errs := batch(t, a, evs)
		for i, err := range errs {
			expected := "permanent"
			if i < 3 {
				expected = "well"
			}
			require.Equal(t, expected, kindOf(err), "%s: %v", evs[i].Payload, err)
		}
		require.ErrorContains(t, errs[3], "2 hours in the future")
		require.ErrorContains(t, errs[4], `expected an array of {"timestamp": milliseconds, "message": text}`)
		require.Equal(t, []string{"1", "2", "3", "4", "5"}, messages(logged(t, group, "arrays")), "the rest of what was rejected in part is there")
		require.Equal(t, group, a.(actions.Batcher).Batch().Key(evs[0]))
	})
	t.Run("no group", func(t *testing.T) {
		a := s.CloudWatchLogs(CloudWatchLogs{LogGroupName: group + "/missing"})
		err := a.Do(t.Context(), event(t, a, "a", "b"))
		require.Equal(t, "again", kindOf(err), "%v", err)
		require.ErrorContains(t, err, "ResourceNotFoundException")
		a = s.CloudWatchLogs(CloudWatchLogs{LogGroupName: "${group}"})
		require.Equal(t, "permanent", kindOf(a.Do(t.Context(), event(t, a, "a", "b", group+"/missing"))))
		require.Equal(t, "permanent", kindOf(a.Do(t.Context(), event(t, a, "a", "b", "a:b"))))
	})
}

// putLogEvents is the body of a call.
type putLogEvents struct {
	Group  string `json:"logGroupName"`
	Stream string `json:"logStreamName"`
	Events []struct {
		At   int64  `json:"timestamp"`
		Text string `json:"message"`
	} `json:"logEvents"`
}

func calls(tb testing.TB, f *front) (puts []putLogEvents) {
	tb.Helper()
	for _, r := range f.requests() {
		require.Equal(tb, "PutLogEvents", r.target())
		var p putLogEvents
		require.NoError(tb, json.Unmarshal(r.body, &p))
		puts = append(puts, p)
	}
	return puts
}

// Calls keep to the bounds of the service.
func TestCloudWatchLogsBounds(t *testing.T) {
	const day = 24 * 3600 * 1000
	array := func(items ...string) string { return "[" + strings.Join(items, ",") + "]" }
	lines := func(n int, at int64, text string) []string {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf(`{"timestamp":%d,"message":%q}`, at, text)
		}
		return items
	}
	for name, c := range map[string]struct {
		payload string
		sizes   []int
	}{
		"number":  {array(lines(10_001, day, "x")...), []int{10_000, 1}},
		"bytes":   {array(lines(3, day, strings.Repeat("x", 1<<19-bytesPerLine))...), []int{2, 1}},
		"largest": {array(lines(2, day, strings.Repeat("x", 1<<20-bytesPerLine))...), []int{1, 1}},
		"time":    {array(append(append(lines(1, 5*day-1, "x"), lines(1, 5*day, "x")...), lines(1, 4*day, "x")...)...), []int{2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := answers(t, 200, `{}`)
			a := open(t, f.url, nil).CloudWatchLogs(CloudWatchLogs{LogGroupName: "g", BatchMode: true})
			require.NoError(t, a.Do(t.Context(), event(t, a, "a", c.payload)))
			var sizes []int
			for _, p := range calls(t, f) {
				require.Equal(t, "g", p.Group)
				require.Equal(t, "rule", p.Stream)
				sizes = append(sizes, len(p.Events))
				for i := 1; i < len(p.Events); i++ {
					require.LessOrEqual(t, p.Events[i-1].At, p.Events[i].At)
				}
			}
			require.Equal(t, c.sizes, sizes)
		})
	}
	a := open(t, "http://127.0.0.1:1", nil).CloudWatchLogs(CloudWatchLogs{LogGroupName: "g"})
	require.Equal(t, "permanent", kindOf(a.Do(t.Context(), event(t, a, "a", strings.Repeat("x", 1<<20-bytesPerLine+1)))))
}

// The indexes of the answer say which log events were rejected.
func TestCloudWatchLogsRejected(t *testing.T) {
	f := answers(t, 200, `{"rejectedLogEventsInfo":{"expiredLogEventEndIndex":1,"tooOldLogEventEndIndex":2,"tooNewLogEventStartIndex":4}}`)
	a := open(t, f.url, nil).CloudWatchLogs(CloudWatchLogs{LogGroupName: "g"})
	evs := events(t, a, "a", "5", "4", "3", "2", "1")
	for i := range evs {
		evs[i].Message.Time = at2026.Add(-time.Duration(i) * time.Second)
	}
	errs := batch(t, a, evs)
	require.ErrorContains(t, errs[4], "older than what the log group keeps")
	require.ErrorContains(t, errs[3], "14 days old")
	require.NoError(t, errs[2])
	require.NoError(t, errs[1])
	require.ErrorContains(t, errs[0], "2 hours in the future")
	for _, i := range []int{0, 3, 4} {
		require.Equal(t, "permanent", kindOf(errs[i]))
	}
}

// A log event that spoils a call fails alone; after an error that passes nothing is written.
func TestCloudWatchLogsApart(t *testing.T) {
	down := false
	f := newFront(t, func(w http.ResponseWriter, r request) {
		switch {
		case down:
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.Contains(string(r.body), "poison"):
			header, body := jsonError(verdictCase{code: "InvalidParameterException"})
			w.Header().Set("X-Amzn-Errortype", header["X-Amzn-Errortype"])
			w.WriteHeader(400)
			_, _ = io.WriteString(w, body)
			return
		default:
			_, _ = io.WriteString(w, `{}`)
		}
		down = down || strings.Contains(string(r.body), "last before")
	})
	a := open(t, f.url, nil).CloudWatchLogs(CloudWatchLogs{LogGroupName: "g", BatchMode: true})
	item := func(at int, text string) string { return fmt.Sprintf(`{"timestamp":%d,"message":%q}`, at*1000, text) }
	const day = 24 * 3600
	evs := events(t, a, "a",
		"["+item(1, "good")+"]", "["+item(2, "poison")+","+item(3, "its other half")+"]",
		"["+item(4, "last before")+","+item(3*day, "after")+"]", "["+item(4*day, "later")+"]",
		"["+item(3, "poison")+","+item(3*day, "after")+"]")
	errs := batch(t, a, evs)
	require.NoError(t, errs[0])
	require.Equal(t, "permanent", kindOf(errs[1]))
	require.Equal(t, "again", kindOf(errs[2]), "half of it is written, and comes again")
	require.Equal(t, "again", kindOf(errs[3]))
	require.Equal(t, "again", kindOf(errs[4]), "the half of it that is well was not tried")
	var texts []string
	for _, p := range calls(t, f) {
		for _, e := range p.Events {
			texts = append(texts, e.Text)
		}
	}
	require.Equal(t, []string{"good", "its other half", "last before"}, texts)
}

func TestCloudWatchLogsErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "taken", status: 200, body: "{}", want: "well"},
		{name: "throttled", status: 400, code: "ThrottlingException", want: "again"},
		{name: "by itself", status: 503, code: "ServiceUnavailableException", want: "again"},
		{name: "denied", status: 400, code: "AccessDeniedException", want: "again"},
		{name: "keys are gone", status: 400, code: "UnrecognizedClientException", want: "again"},
		{name: "wrong", status: 400, code: "InvalidParameterException", want: "permanent"},
		{name: "too large", status: 413, body: "<html>", want: "permanent"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.CloudWatchLogs(CloudWatchLogs{LogGroupName: "g"})
		return a, event(t, a, "a", "b")
	}, jsonError)
}

func TestCloudWatchLogsRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	for text, expected := range map[string]string{
		`{"cloudwatchLogs":{"roleArn":"` + testRole + `"}}`:                                        "logGroupName is missing",
		`{"cloudwatchLogs":{"roleArn":"` + testRole + `","logGroupName":"a b"}}`:                   `logGroupName is "a b", expected 1 to 512 letters`,
		`{"cloudwatchLogs":{"roleArn":"` + testRole + `","logGroupName":"g","batchMode":"yes"}}`:   "batchMode",
		`{"cloudwatchLogs":{"roleArn":"` + testRole + `","logGroupName":"g","logStreamName":"s"}}`: "logStreamName is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigLogs is a log group of moto.
func rigLogs(tb testing.TB) sinktest.Rig {
	group := newLogGroup(tb)
	return sinktest.Rig{
		Addr: addr(servertest.Moto(tb)), HTTP: true, Poison: []byte{}, // there are no empty log events
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).CloudWatchLogs(CloudWatchLogs{LogGroupName: group})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, e := range logged(tb, group, "sink") {
				got = append(got, sinktest.Parse(tb, []byte(*e.Message)))
			}
			return got
		},
	}
}

func TestCloudWatchLogsFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigLogs)
}

func BenchmarkCloudWatchLogs(b *testing.B) { sinktest.Bench(b, rigLogs) }
