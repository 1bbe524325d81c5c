package aws

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/thinghub/thinghub/actions"
)

// CloudWatchMetric adds a sample to a metric. It is the AWS action "cloudwatchMetric". All
// texts but the role may have templates, and are where the sample comes from: the outgoing
// payload is not sent.
//
// A call takes up to 1000 samples of one namespace, of all topics of the rule. A sample
// that is sent twice counts twice.
type CloudWatchMetric struct {
	MetricNamespace string `json:"metricNamespace"`
	MetricName      string `json:"metricName"`
	// MetricValue is a number.
	MetricValue string `json:"metricValue"`
	// MetricUnit is a unit that CloudWatch has, such as Seconds, Percent or None.
	MetricUnit string `json:"metricUnit"`
	// MetricTimestamp is seconds since 1970, at most two weeks ago; empty: when the hub
	// took the message in.
	MetricTimestamp string `json:"metricTimestamp,omitempty"`
	RoleARN         string `json:"roleArn,omitempty"`
}

// CloudWatchMetric returns the action.
func (s *Services) CloudWatchMetric(p CloudWatchMetric) actions.Action {
	return &metricAction{at: s.at("cloudwatchMetric", p.MetricNamespace, p.RoleARN), CloudWatchMetric: p}
}

type metricAction struct {
	CloudWatchMetric
	at
}

const (
	mostSamples = 1000
	longestName = 255
)

func readMetric(p params) actions.Action {
	return p.services.CloudWatchMetric(CloudWatchMetric{
		MetricNamespace: p.Need("metricNamespace"), MetricName: p.Need("metricName"), MetricValue: p.Need("metricValue"),
		MetricUnit: p.Need("metricUnit"), MetricTimestamp: p.Text("metricTimestamp"), RoleARN: p.role(),
	})
}

// Kind is "cloudwatchMetric".
func (*metricAction) Kind() string { return "cloudwatchMetric" }

// Resource is the namespace and the name of the metric.
func (*metricAction) Resource(ev actions.Event) string { return ev.Params[0] + "/" + ev.Params[1] }

// metricFields are the names of the texts of the action, in the order of its Params.
var metricFields = [...]string{"metricNamespace", "metricName", "metricValue", "metricUnit", "metricTimestamp"}

// Params are the texts of the sample.
func (a *metricAction) Params() []actions.Param {
	params := make([]actions.Param, len(metricFields))
	for i, text := range [...]string{a.MetricNamespace, a.MetricName, a.MetricValue, a.MetricUnit, a.MetricTimestamp} {
		params[i] = actions.Param{Name: metricFields[i], Text: text}
	}
	params[4].Optional = a.MetricTimestamp == ""
	return params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *metricAction) Check() error {
	for _, p := range a.Params() {
		if templated(p.Text) {
			continue
		}
		if err := checkMetric(p.Name, p.Text); err != nil {
			return err
		}
	}
	return a.check()
}

// checkMetric checks a text of the action once it is rendered.
func checkMetric(field, text string) error {
	switch field {
	case "metricNamespace":
		if err := checkPrintable(field, text, longestName); err != nil {
			return err
		}
		if text[0] == ':' || strings.HasPrefix(text, "AWS/") {
			return actions.WrongField(field, text, `a namespace that does not begin with ":" or "AWS/"`)
		}
	case "metricName":
		return checkPrintable(field, text, longestName)
	case "metricValue":
		_, err := metricValue(text)
		return err
	case "metricUnit":
		if !slices.Contains(types.StandardUnit("").Values(), types.StandardUnit(text)) {
			return actions.WrongField(field, text, "a unit such as Seconds, Bytes, Percent, Count/Second or None")
		}
	case "metricTimestamp":
		if text != "" {
			_, err := epochSeconds(field, text)
			return err
		}
	}
	return nil
}

// checkPrintable checks a name: CloudWatch takes ASCII without control characters, and not
// blanks alone.
func checkPrintable(field, text string, longest int) error {
	if strings.TrimSpace(text) == "" || len(text) > longest || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return actions.WrongField(field, text, "1 to "+strconv.Itoa(longest)+" ASCII characters")
	}
	return nil
}

// number parses what JSON and SQL write as a number: no hexadecimals, infinities and such.
func number(text string) (float64, bool) {
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && strings.Trim(text, "0123456789+-.eE") == ""
}

func metricValue(text string) (float64, error) {
	v, ok := number(text)
	if !ok || math.Abs(v) > 0x1p360 {
		return 0, actions.WrongField("metricValue", text, "a number from -2^360 to 2^360")
	}
	return v, nil
}

// epochSeconds parses a time in seconds since 1970, which may have a fraction.
func epochSeconds(field, text string) (time.Time, error) {
	v, ok := number(text)
	if !ok || v < 0 || v > 1e11 {
		return time.Time{}, actions.WrongField(field, text, "seconds since 1970")
	}
	whole, part := math.Modf(v)
	return time.Unix(int64(whole), int64(part*1e9)), nil
}

// taken is when the hub took the message of an event in.
func taken(ev actions.Event) time.Time {
	if ev.Message == nil || ev.Message.Time.IsZero() {
		return time.Now()
	}
	return ev.Message.Time
}

// Batch is what PutMetricData takes.
func (a *metricAction) Batch() actions.Batch {
	return actions.Batch{Events: mostSamples, AcrossTopics: true, Key: byParam(a.MetricNamespace)}
}

// Do adds one sample.
func (a *metricAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// DoBatch adds samples of one namespace.
func (a *metricAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	c, err := client(a.services, a.role, func(c sdk.Config) *cloudwatch.Client { return cloudwatch.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	errs := make([]error, len(evs))
	data := make([]types.MetricDatum, 0, len(evs))
	of := make([]int, 0, len(evs)) // the events of data
	for i, ev := range evs {
		d, err := datum(ev)
		if err != nil {
			errs[i] = actions.Permanent(err)
			continue
		}
		data, of = append(data, d), append(of, i)
	}
	apart(len(data), func(from, to int) error {
		_, err := c.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: &evs[0].Params[0], MetricData: data[from:to]})
		return judge(err, templated(a.MetricNamespace))
	}, func(i int, err error) { errs[of[i]] = err })
	return errs
}

// datum makes the sample of an event.
func datum(ev actions.Event) (d types.MetricDatum, err error) {
	for i, field := range metricFields {
		if err := checkMetric(field, ev.Params[i]); err != nil {
			return d, err
		}
	}
	value, _ := metricValue(ev.Params[2]) // it was checked
	when := taken(ev)
	if text := ev.Params[4]; text != "" {
		when, _ = epochSeconds("", text)
	}
	return types.MetricDatum{MetricName: &ev.Params[1], Value: &value, Unit: types.StandardUnit(ev.Params[3]), Timestamp: &when}, nil
}

// CloudWatchAlarm sets the state of an alarm, which holds until CloudWatch looks at the
// alarm's metric again. It is the AWS action "cloudwatchAlarm". All texts but the role may
// have templates; the outgoing payload is not sent. Setting a state twice is setting it
// once.
type CloudWatchAlarm struct {
	AlarmName string `json:"alarmName"`
	// StateReason is a text for people of up to 1023 characters.
	StateReason string `json:"stateReason"`
	// StateValue is OK, ALARM or INSUFFICIENT_DATA.
	StateValue string `json:"stateValue"`
	RoleARN    string `json:"roleArn,omitempty"`
}

// CloudWatchAlarm returns the action.
func (s *Services) CloudWatchAlarm(p CloudWatchAlarm) actions.Action {
	return &alarmAction{at: s.at("cloudwatchAlarm", p.AlarmName, p.RoleARN), CloudWatchAlarm: p}
}

type alarmAction struct {
	CloudWatchAlarm
	at
}

const longestReason = 1023

func readAlarm(p params) actions.Action {
	return p.services.CloudWatchAlarm(CloudWatchAlarm{
		AlarmName: p.Need("alarmName"), StateReason: p.Need("stateReason"), StateValue: p.Need("stateValue"), RoleARN: p.role(),
	})
}

// Kind is "cloudwatchAlarm".
func (*alarmAction) Kind() string { return "cloudwatchAlarm" }

// Resource is the name of the alarm.
func (a *alarmAction) Resource(ev actions.Event) string { return resource(a.AlarmName, ev) }

// Params are the texts of the action.
func (a *alarmAction) Params() []actions.Param {
	return []actions.Param{
		{Name: "alarmName", Text: a.AlarmName},
		{Name: "stateReason", Text: a.StateReason},
		{Name: "stateValue", Text: a.StateValue},
	}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *alarmAction) Check() error {
	for _, p := range a.Params() {
		if templated(p.Text) {
			continue
		}
		if err := checkAlarm(p.Name, p.Text); err != nil {
			return err
		}
	}
	return a.check()
}

// checkAlarm checks a text of the action once it is rendered.
func checkAlarm(field, text string) error {
	switch field {
	case "alarmName":
		if n := utf8.RuneCountInString(text); n == 0 || n > longestName {
			return actions.WrongField(field, text, "1 to 255 characters")
		}
	case "stateReason":
		if n := utf8.RuneCountInString(text); n == 0 || n > longestReason {
			return actions.WrongField(field, text, "1 to 1023 characters")
		}
	case "stateValue":
		if !slices.Contains(types.StateValue("").Values(), types.StateValue(text)) {
			return actions.WrongField(field, text, "OK, ALARM or INSUFFICIENT_DATA")
		}
	}
	return nil
}

// Do sets the state once.
func (a *alarmAction) Do(ctx context.Context, ev actions.Event) error {
	for i, p := range a.Params() {
		if err := checkAlarm(p.Name, ev.Params[i]); err != nil {
			return actions.Permanent(err)
		}
	}
	c, err := client(a.services, a.role, func(c sdk.Config) *cloudwatch.Client { return cloudwatch.NewFromConfig(c) })
	if err != nil {
		return err
	}
	_, err = c.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
		AlarmName: &ev.Params[0], StateReason: &ev.Params[1], StateValue: types.StateValue(ev.Params[2]),
	})
	return judge(err, templated(a.AlarmName))
}
