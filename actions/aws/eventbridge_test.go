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
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// newBus makes a bus at moto, with a rule that has its events put into a queue, and returns
// its name and the queue.
func newBus(tb testing.TB) (bus string, c *sqs.Client, queue string) {
	tb.Helper()
	b := eventbridge.NewFromConfig(sdkConfig(servertest.Moto(tb)))
	bus = unique(tb)
	_, err := b.CreateEventBus(context.Background(), &eventbridge.CreateEventBusInput{Name: &bus})
	require.NoError(tb, err)
	c, queue = newQueue(tb, "")
	name := queue[strings.LastIndex(queue, "/")+1:]
	_, err = b.PutRule(context.Background(), &eventbridge.PutRuleInput{Name: &bus, EventBusName: &bus, EventPattern: sdk.String(`{"source":["com.example.pumps"]}`)})
	require.NoError(tb, err)
	_, err = b.PutTargets(context.Background(), &eventbridge.PutTargetsInput{Rule: &bus, EventBusName: &bus, Targets: []types.Target{
		{Id: sdk.String("1"), Arn: sdk.String("arn:aws:sqs:eu-central-1:123456789012:" + name)},
	}})
	require.NoError(tb, err)
	return bus, c, queue
}

// A busEvent is what arrives at a target.
type busEvent struct {
	Source     string
	DetailType string `json:"detail-type"`
	Resources  []string
	Time       time.Time
	Detail     json.RawMessage
}

func TestEventBridge(t *testing.T) {
	bus, c, queue := newBus(t)
	s := open(t, servertest.Moto(t), nil)
	a := requireDecode(t, s, `{"eventBridge":{"roleArn":"`+testRole+`","eventBusName":"`+bus+`","source":"com.example.pumps","detailType":"pump ${topic(2)}","resources":["arn:a","${arn}"],"time":"${ts}"}}`)
	evs := []actions.Event{
		event(t, a, "pump/7", `{"n": 1}`, "pump 7", "1795900000123", "arn:b"),
		event(t, a, "pump/8", `[1]`, "pump 8", "1795900000123", "arn:b"),
		event(t, a, "pump/9", `{"n": 3}`, "pump 9", "2026-11-28T21:06:40Z", ""),
	}
	errs := batch(t, a, evs)
	require.NoError(t, errs[0])
	require.Equal(t, "permanent", kindOf(errs[1]), "a detail is an object")
	require.NoError(t, errs[2])
	require.Equal(t, bus, a.(actions.Named).Resource(evs[0]))

	got := map[string]busEvent{}
	for _, text := range bodies(receive(t, c, queue)) {
		var e busEvent
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		got[e.DetailType] = e
	}
	require.Len(t, got, 2)
	require.JSONEq(t, `{"n":1}`, string(got["pump 7"].Detail))
	require.Equal(t, "com.example.pumps", got["pump 7"].Source)
	require.Equal(t, []string{"arn:a", "arn:b"}, got["pump 7"].Resources)
	require.Equal(t, time.Unix(1795900000, 0), got["pump 7"].Time.Local())
	require.Equal(t, []string{"arn:a"}, got["pump 9"].Resources)
	require.Equal(t, time.Unix(1795900000, 0), got["pump 9"].Time.Local())
}

func TestEventBridgeRequest(t *testing.T) {
	f := answers(t, 200, `{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}`)
	a := requireDecode(t, open(t, f.url, nil), `{"eventBridge":{"roleArn":"`+testRole+`","source":"s","detailType":"d"}}`)
	ev := event(t, a, "a", ` {"text":"ü"} `)
	ev.Message.Time = at2026
	require.NoError(t, a.Do(t.Context(), ev))
	require.Equal(t, "default", a.(actions.Named).Resource(ev))
	require.JSONEq(t, `{"Entries":[{"Source":"s","DetailType":"d","Detail":"{\"text\":\"ü\"}","Time":1795939200.123}]}`, string(f.only(t).body))

	b := a.(actions.Batcher).Batch()
	require.Equal(t, 10, b.Events)
	require.True(t, b.AcrossTopics && b.Parallel)
}

// Some of a call may fail, or all of it for one of them.
func TestEventBridgePartial(t *testing.T) {
	f := newFront(t, func(w http.ResponseWriter, r request) {
		var in struct{ Entries []struct{ Detail string } }
		require.NoError(t, json.Unmarshal(r.body, &in))
		var entries []string
		for _, e := range in.Entries {
			switch {
			case strings.Contains(e.Detail, "whole"):
				w.Header().Set("X-Amzn-Errortype", "ValidationException")
				w.WriteHeader(400)
				_, _ = io.WriteString(w, `{"message":"the total is too large"}`)
				return
			case strings.Contains(e.Detail, "Exception") || strings.Contains(e.Detail, "Failure"):
				entries = append(entries, fmt.Sprintf(`{"ErrorCode":%s,"ErrorMessage":"so it is"}`, strings.Trim(e.Detail, `{}:1 `)))
			case strings.Contains(e.Detail, "mute"):
			default:
				entries = append(entries, `{"EventId":"1"}`)
			}
		}
		_, _ = io.WriteString(w, `{"FailedEntryCount":0,"Entries":[`+strings.Join(entries, ",")+`]}`)
	})
	s := open(t, f.url, nil)
	a := s.EventBridge(EventBridge{Source: "s", DetailType: "d"})
	errs := batch(t, a, events(t, a, "a",
		`{"a":1}`, `{"ThrottlingException":1}`, `{"InternalFailure":1}`, `{"NotAuthorizedForSourceException":1}`, `{"whole":1}`, `{"InternalException":1}`, `{"b":1}`, `{"mute":1}`))
	var kinds []string
	for _, err := range errs {
		kinds = append(kinds, kindOf(err))
	}
	require.Equal(t, []string{"well", "again", "again", "permanent", "permanent", "again", "well", "again"}, kinds)
	require.ErrorContains(t, errs[3], "EventBridge PutEvents: NotAuthorizedForSourceException: so it is")
	require.ErrorContains(t, errs[4], "the total is too large")

	a = s.EventBridge(EventBridge{Source: "${s}", DetailType: "${d}", Time: "${t}", EventBusName: "${b}"})
	for _, c := range []struct{ payload, bus, source, detail, time, want string }{
		{`{}`, "b", "s", "d", "0", "well"},
		{`{}`, "b", "aws.ec2", "d", "0", "permanent"},
		{`{}`, "b", "s", strings.Repeat("d", 129), "0", "permanent"},
		{`{}`, "b", "s", "d", "soon", "permanent"},
		{`{}`, "b", "s", "d", "-1", "permanent"},
		{`{}`, "b", "s", "d", "2026-11-28T21:06:40+01:00", "well"},
		{``, "b", "s", "d", "0", "permanent"},
		{`{`, "b", "s", "d", "0", "permanent"},
		{`"text"`, "b", "s", "d", "0", "permanent"},
	} {
		err := a.Do(t.Context(), event(t, a, "a", c.payload, c.bus, c.source, c.detail, c.time))
		require.Equal(t, c.want, kindOf(err), "%+v: %v", c, err)
	}
}

func TestEventBridgeErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "taken", status: 200, body: `{"Entries":[{"EventId":"1"}]}`, want: "well"},
		{name: "throttled", status: 400, code: "ThrottlingException", want: "again"},
		{name: "by itself", status: 500, code: "InternalException", want: "again"},
		{name: "denied", status: 400, code: "AccessDeniedException", want: "again"},
		{name: "no bus", status: 400, code: "ResourceNotFoundException", want: "again"},
		{name: "wrong", status: 400, code: "ValidationException", want: "permanent"},
		{name: "too large", status: 413, code: "RequestEntityTooLarge", want: "permanent"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.EventBridge(EventBridge{Source: "s", DetailType: "d"})
		return a, event(t, a, "a", "{}")
	}, jsonError)
}

func TestEventBridgeRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	for text, expected := range map[string]string{
		`{"eventBridge":{"roleArn":"` + testRole + `","source":"s"}}`:                                      "detailType is missing",
		`{"eventBridge":{"roleArn":"` + testRole + `","detailType":"d"}}`:                                  "source is missing",
		`{"eventBridge":{"roleArn":"` + testRole + `","detailType":"d","source":"aws.x"}}`:                 `source is "aws.x", expected 1 to 256 bytes that do not begin with "aws."`,
		`{"eventBridge":{"roleArn":"` + testRole + `","detailType":"d","source":"s","time":"now"}}`:        `time is "now"`,
		`{"eventBridge":{"roleArn":"` + testRole + `","detailType":"d","source":"s","resources":["a",1]}}`: `resources[1] is 1, expected a text`,
		`{"eventBridge":{"roleArn":"` + testRole + `","detailType":"d","source":"s","resources":"a"}}`:     "resources",
		`{"eventBridge":{"roleArn":"` + testRole + `","detailType":"d","source":"s","detail":"a"}}`:        "detail is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigBus is a bus of moto; what moto has accepted is what has arrived. (With a queue as its
// target moto takes a minute and a half.)
func rigBus(tb testing.TB) sinktest.Rig {
	f := before(tb)
	bus := unique(tb)
	_, err := eventbridge.NewFromConfig(sdkConfig(servertest.Moto(tb))).CreateEventBus(context.Background(), &eventbridge.CreateEventBusInput{Name: &bus})
	require.NoError(tb, err)
	return sinktest.Rig{
		Addr: addr(f.url), HTTP: true, Unordered: true, Poison: []byte("[]"),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).EventBridge(EventBridge{EventBusName: bus, Source: "com.example.pumps", DetailType: "record"})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, r := range f.requests() {
				var in struct{ Entries []struct{ Detail string } }
				require.NoError(tb, json.Unmarshal(r.body, &in))
				for _, e := range in.Entries {
					got = append(got, sinktest.Parse(tb, []byte(e.Detail)))
				}
			}
			return got
		},
	}
}

func TestEventBridgeFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigBus)
}

func BenchmarkEventBridge(b *testing.B) { sinktest.Bench(b, rigBus) }
