package aws

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/thinghub/thinghub/actions"
)

// CloudWatchLogs writes log events. It is the AWS action "cloudwatchLogs". The log group
// must exist; in it the action makes a log stream with the name of the rule.
//
// A call takes log events of all topics of the rule, sorted by their time: up to 10,000, 1
// MiB and a day. What CloudWatch rejects because it is too old or too new fails for good.
// CloudWatch knows no key that would drop what comes twice.
type CloudWatchLogs struct {
	// LogGroupName may have templates.
	LogGroupName string `json:"logGroupName"`
	// BatchMode says that the outgoing payload is an array of {"timestamp": milliseconds
	// since 1970, "message": text}, each of which is a log event. Otherwise the payload is
	// one, from when the hub took the message in; what is not UTF-8 in it is replaced.
	BatchMode bool   `json:"batchMode,omitempty"`
	RoleARN   string `json:"roleArn,omitempty"`
}

// CloudWatchLogs returns the action.
func (s *Services) CloudWatchLogs(p CloudWatchLogs) actions.Action {
	return &logsAction{at: s.at("cloudwatchLogs", p.LogGroupName, p.RoleARN), CloudWatchLogs: p}
}

type logsAction struct {
	CloudWatchLogs
	at
}

// The bounds of a call. Each line counts with some bytes more than it has.
const (
	mostLines    = 10_000
	mostLogBytes = 1 << 20
	bytesPerLine = 26
	mostLogTime  = int64(24 * time.Hour / time.Millisecond)
)

func readLogs(p params) actions.Action {
	return p.services.CloudWatchLogs(CloudWatchLogs{
		LogGroupName: p.Need("logGroupName"), BatchMode: p.Bool("batchMode"), RoleARN: p.role(),
	})
}

// Kind is "cloudwatchLogs".
func (*logsAction) Kind() string { return "cloudwatchLogs" }

// Resource is the log group.
func (a *logsAction) Resource(ev actions.Event) string { return resource(a.LogGroupName, ev) }

// Params are the log group.
func (a *logsAction) Params() []actions.Param {
	return []actions.Param{{Name: "logGroupName", Text: a.LogGroupName}}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *logsAction) Check() error {
	if !templated(a.LogGroupName) {
		if err := checkLogGroup(a.LogGroupName); err != nil {
			return err
		}
	}
	return a.check()
}

var logGroup = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)

func checkLogGroup(name string) error {
	if !logGroup.MatchString(name) {
		return actions.WrongField("logGroupName", name, "1 to 512 letters, digits and . - _ / #")
	}
	return nil
}

// Batch is what PutLogEvents takes, where each event is one line.
func (a *logsAction) Batch() actions.Batch {
	// What is left of a call's bytes is for those that each line counts with.
	return actions.Batch{Events: 1000, Bytes: mostLogBytes - 1000*bytesPerLine, AcrossTopics: true, Key: byParam(a.LogGroupName)}
}

// Do writes the lines of one event.
func (a *logsAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// A line is a log event.
type line struct {
	of    int // the event that it comes from
	event types.InputLogEvent
}

// DoBatch writes the lines of events to one log group.
func (a *logsAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	group := evs[0].Params[0]
	if err := checkLogGroup(group); err != nil {
		return all(evs, actions.Permanent(err))
	}
	c, err := client(a.services, a.role, func(c sdk.Config) *cloudwatchlogs.Client { return cloudwatchlogs.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	errs := make([]error, len(evs))
	lines := make([]line, 0, len(evs))
	for i, ev := range evs {
		made, err := a.lines(ev)
		if err != nil {
			errs[i] = actions.Permanent(err)
			continue
		}
		for _, e := range made {
			lines = append(lines, line{i, e})
		}
	}
	slices.SortStableFunc(lines, func(x, y line) int { return cmp.Compare(*x.event.Timestamp, *y.event.Timestamp) })
	w := logWriter{client: c, group: group, stream: streamName(evs[0].Rule), chosen: templated(a.LogGroupName), errs: errs}
	for len(lines) > 0 {
		n := fitting(lines)
		w.write(ctx, lines[:n])
		lines = lines[n:]
	}
	return errs
}

// together is the error of an event of which parts failed: one that passes, if there is
// one, because then those come again that were not tried.
func together(was, err error) error {
	if was == nil || errors.Is(was, actions.ErrPermanent) && !errors.Is(err, actions.ErrPermanent) {
		return err
	}
	return was
}

// fitting returns how many of the lines, from the first, fit into a call.
func fitting(lines []line) int {
	bytes := 0
	for i, l := range lines {
		bytes += len(*l.event.Message) + bytesPerLine
		if i > 0 && (i == mostLines || bytes > mostLogBytes || *l.event.Timestamp-*lines[0].event.Timestamp >= mostLogTime) {
			return i
		}
	}
	return len(lines)
}

// lines makes the log events of an event.
func (a *logsAction) lines(ev actions.Event) ([]types.InputLogEvent, error) {
	if !a.BatchMode {
		text := strings.ToValidUTF8(string(ev.Payload), "\ufffd")
		if err := checkLine("the payload", text); err != nil {
			return nil, err
		}
		return []types.InputLogEvent{{Timestamp: sdk.Int64(taken(ev).UnixMilli()), Message: &text}}, nil
	}
	var items []struct {
		Timestamp *int64  `json:"timestamp"`
		Message   *string `json:"message"`
	}
	const want = `an array of {"timestamp": milliseconds, "message": text}`
	if err := json.Unmarshal(ev.Payload, &items); err != nil {
		return nil, actions.WrongField("the payload", string(ev.Payload), want)
	}
	made := make([]types.InputLogEvent, len(items))
	for i, item := range items {
		where := fmt.Sprintf("[%d]", i)
		if item.Timestamp == nil || item.Message == nil || *item.Timestamp < 0 {
			return nil, actions.WrongField("the payload", string(ev.Payload), want)
		}
		if err := checkLine(where+".message", *item.Message); err != nil {
			return nil, err
		}
		made[i] = types.InputLogEvent{Timestamp: item.Timestamp, Message: item.Message}
	}
	return made, nil
}

func checkLine(what, text string) error {
	if text == "" || len(text)+bytesPerLine > mostLogBytes {
		return actions.WrongField(what, text, fmt.Sprintf("1 to %d bytes", mostLogBytes-bytesPerLine))
	}
	return nil
}

// streamName is where the log events of a rule go to.
func streamName(rule string) string {
	if rule == "" {
		rule = "thinghub"
	}
	return strings.NewReplacer(":", "_", "*", "_").Replace(rule)
}

// A logWriter writes to a log stream.
type logWriter struct {
	client        *cloudwatchlogs.Client
	group, stream string
	chosen        bool
	errs          []error // of the events
	ended         error   // passes; nothing is written after it, so that nothing overtakes what comes again
}

// write writes the lines of a call.
func (w *logWriter) write(ctx context.Context, lines []line) {
	apart(len(lines), func(from, to int) error {
		if w.ended != nil {
			return w.ended
		}
		rejected, err := w.put(ctx, lines[from:to])
		for i, l := range lines[from:to] {
			if err := rejection(rejected, i); err != nil {
				w.errs[l.of] = together(w.errs[l.of], actions.Permanent(err))
			}
		}
		return judge(err, w.chosen)
	}, func(i int, err error) {
		w.errs[lines[i].of] = together(w.errs[lines[i].of], err)
		if !errors.Is(err, actions.ErrPermanent) {
			w.ended = err
		}
	})
}

// put makes a call, and the log stream if it is missing.
func (w *logWriter) put(ctx context.Context, lines []line) (*types.RejectedLogEventsInfo, error) {
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &w.group, LogStreamName: &w.stream, LogEvents: make([]types.InputLogEvent, len(lines))}
	for i, l := range lines {
		in.LogEvents[i] = l.event
	}
	out, err := w.client.PutLogEvents(ctx, in)
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) { // the group or the stream
		_, err = w.client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &w.group, LogStreamName: &w.stream})
		var there *types.ResourceAlreadyExistsException
		if err != nil && !errors.As(err, &there) {
			return nil, err
		}
		out, err = w.client.PutLogEvents(ctx, in)
	}
	if err != nil {
		return nil, err
	}
	return out.RejectedLogEventsInfo, nil
}

// rejection is why line i of a call was rejected.
func rejection(r *types.RejectedLogEventsInfo, i int) error {
	switch {
	case r == nil:
	case r.ExpiredLogEventEndIndex != nil && i < int(*r.ExpiredLogEventEndIndex):
		return errors.New("rejected: the log event is older than what the log group keeps")
	case r.TooOldLogEventEndIndex != nil && i < int(*r.TooOldLogEventEndIndex):
		return errors.New("rejected: the log event is more than 14 days old")
	case r.TooNewLogEventStartIndex != nil && i >= int(*r.TooNewLogEventStartIndex):
		return errors.New("rejected: the log event is more than 2 hours in the future")
	}
	return nil
}
