package aws

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// at2026 is when messages are taken in.
var at2026 = time.Date(2026, 11, 29, 8, 0, 0, 123456789, time.UTC)

// metricText is a metric by templates: values for its namespace, name, value, unit and time.
const metricText = `{"cloudwatchMetric":{"roleArn":"` + testRole + `","metricNamespace":"${ns}","metricName":"${name}","metricValue":"${v}","metricUnit":"${unit}","metricTimestamp":"${ts}"}}`

// statistics are those of a metric at moto, by seconds.
func statistics(tb testing.TB, namespace, name string, from, to time.Time) []types.Datapoint {
	tb.Helper()
	out, err := cloudwatch.NewFromConfig(sdkConfig(servertest.Moto(tb))).GetMetricStatistics(context.Background(), &cloudwatch.GetMetricStatisticsInput{
		Namespace: &namespace, MetricName: &name, StartTime: &from, EndTime: &to, Period: sdk.Int32(1),
		Statistics: []types.Statistic{types.StatisticSum, types.StatisticSampleCount},
	})
	require.NoError(tb, err)
	sort.Slice(out.Datapoints, func(i, j int) bool { return out.Datapoints[i].Timestamp.Before(*out.Datapoints[j].Timestamp) })
	return out.Datapoints
}

func TestCloudWatchMetric(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	a := requireDecode(t, s, metricText)
	ns := unique(t)
	evs := []actions.Event{
		event(t, a, "a", "", ns, "temp", "21.5", "None", "1795900000"),
		event(t, a, "a", "", ns, "temp", "-3e2", "None", "1795900001.5"),
		event(t, a, "b", "", ns, "humidity", "40", "Percent", "1795900000"),
	}
	well(t, batch(t, a, evs))
	require.Equal(t, ns+"/temp", a.(actions.Named).Resource(evs[0]))
	b := a.(actions.Batcher).Batch()
	require.Equal(t, ns, b.Key(evs[0]))
	require.True(t, b.AcrossTopics)
	require.Equal(t, 1000, b.Events)

	base := time.Unix(1795900000, 0)
	got := statistics(t, ns, "temp", base, base.Add(time.Minute))
	require.Len(t, got, 2)
	require.InDelta(t, 21.5, *got[0].Sum, 0)
	require.InDelta(t, -300, *got[1].Sum, 0)
	got = statistics(t, ns, "humidity", base, base.Add(time.Minute))
	require.Len(t, got, 1)
	require.Equal(t, types.StandardUnitPercent, got[0].Unit)

	a = requireDecode(t, s, `{"cloudwatchMetric":{"roleArn":"`+testRole+`","metricNamespace":"`+ns+`","metricName":"count","metricValue":"1","metricUnit":"Count"}}`)
	require.Nil(t, a.(actions.Batcher).Batch().Key)
	ev := event(t, a, "a", "")
	ev.Message.Time = at2026
	require.NoError(t, a.Do(t.Context(), ev))
	got = statistics(t, ns, "count", at2026.Truncate(time.Second), at2026.Add(time.Second))
	require.Len(t, got, 1, "the time of the message")
}

// form is the body of a request of CloudWatch.
func form(tb testing.TB, r request) url.Values {
	tb.Helper()
	body := r.body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		require.NoError(tb, err)
		body, err = io.ReadAll(z)
		require.NoError(tb, err)
	}
	v, err := url.ParseQuery(string(body))
	require.NoError(tb, err)
	return v
}

const emptyXML = `<R xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></R>`

// xmlError is how CloudWatch answers an error.
func xmlError(c verdictCase) (map[string]string, string) {
	if c.status == http.StatusOK {
		return nil, emptyXML
	}
	return nil, `<ErrorResponse><Error><Type>Sender</Type><Code>` + c.code + `</Code><Message>so it is</Message></Error><RequestId>1</RequestId></ErrorResponse>`
}

func TestCloudWatchMetricRequest(t *testing.T) {
	f := answers(t, http.StatusOK, emptyXML)
	a := open(t, f.url, nil).CloudWatchMetric(CloudWatchMetric{
		MetricNamespace: "Plant/1", MetricName: "${topic()}", MetricValue: "${v}", MetricUnit: "Count/Second", MetricTimestamp: "1795900000",
	})
	evs := make([]actions.Event, 1000)
	for i := range evs {
		evs[i] = event(t, a, "pump/"+strconv.Itoa(i), "", strconv.Itoa(i))
	}
	well(t, batch(t, a, evs))
	got := form(t, f.only(t))
	require.Equal(t, "PutMetricData", got.Get("Action"))
	require.Equal(t, "Plant/1", got.Get("Namespace"))
	require.Equal(t, "pump/999", got.Get("MetricData.member.1000.MetricName"))
	require.Equal(t, "999", got.Get("MetricData.member.1000.Value"))
	require.Equal(t, "Count/Second", got.Get("MetricData.member.1.Unit"))
	require.Equal(t, "2026-11-28T21:06:40Z", got.Get("MetricData.member.1.Timestamp"))
}

// One sample that CloudWatch refuses does not take the others along, and one that it would
// refuse anyway is not sent.
func TestCloudWatchMetricPoison(t *testing.T) {
	f := newFront(t, func(w http.ResponseWriter, r request) {
		v := form(t, r)
		if strings.Contains(v.Encode(), "Value=666") {
			_, body := xmlError(verdictCase{code: "InvalidParameterValue", status: 400})
			w.WriteHeader(400)
			_, _ = io.WriteString(w, body)
			return
		}
		_, _ = io.WriteString(w, emptyXML)
	})
	a := requireDecode(t, open(t, f.url, nil), metricText)
	evs := []actions.Event{}
	for _, v := range []string{"1", "666", "3", "NaN", "inf", "0x10", "1e400", "1_0", "", "1e300", "5"} {
		evs = append(evs, event(t, a, "a", "", "ns", "n", v, "None", "1795900000"))
	}
	for _, texts := range [][]string{
		{"ns", "n", "1", "none", "1"},
		{"ns", "n", "1", "None", "yesterday"},
		{"ns", "n", "1", "None", "-1"},
		{"ns", "n", "1", "None", "1795900000000"},
		{"ns", " ", "1", "None", "1"},
		{"ns", "grün", "1", "None", "1"},
		{"ns", strings.Repeat("n", 256), "1", "None", "1"},
	} {
		evs = append(evs, event(t, a, "a", "", texts...))
	}
	errs := batch(t, a, evs)
	for i, err := range errs {
		expected := "permanent"
		if v := evs[i].Params[2]; i == 0 || v == "3" || v == "5" {
			expected = "well"
		}
		require.Equal(t, expected, kindOf(err), "%q: %v", evs[i].Params, err)
	}
	require.ErrorContains(t, errs[1], "CloudWatch PutMetricData: InvalidParameterValue: so it is")
	require.ErrorContains(t, errs[3], `metricValue is "NaN", expected a number from -2^360 to 2^360`)
	var values []string
	for _, r := range f.requests() {
		v := form(t, r)
		for i := 1; v.Has(fmt.Sprintf("MetricData.member.%d.Value", i)); i++ {
			values = append(values, v.Get(fmt.Sprintf("MetricData.member.%d.Value", i)))
		}
	}
	require.Equal(t, []string{"1", "3", "5"}, values)

	for _, ns := range []string{"", ":x", "AWS/EC2", "a\nb"} {
		errs := batch(t, a, []actions.Event{event(t, a, "a", "", ns, "n", "1", "None", "1")})
		require.Equal(t, "permanent", kindOf(errs[0]), ns)
	}
}

func TestCloudWatchErrors(t *testing.T) {
	cases := []verdictCase{
		{name: "taken", status: 200, want: "well"},
		{name: "throttled", status: 400, code: "Throttling", want: "again"},
		{name: "by itself", status: 500, code: "InternalServiceError", want: "again"},
		{name: "denied", status: 403, code: "AccessDenied", want: "again"},
		{name: "old keys", status: 403, code: "ExpiredToken", want: "again"},
		{name: "wrong", status: 400, code: "InvalidParameterCombination", want: "permanent"},
		{name: "proxy", status: 503, body: "<html>", want: "again"},
	}
	t.Run("metric", func(t *testing.T) {
		judgements(t, cases, func(s *Services) (actions.Action, actions.Event) {
			a := s.CloudWatchMetric(CloudWatchMetric{MetricNamespace: "n", MetricName: "n", MetricValue: "1", MetricUnit: "None"})
			return a, event(t, a, "a", "")
		}, xmlError)
	})
	t.Run("alarm", func(t *testing.T) {
		cases := append(cases, verdictCase{name: "no such alarm", status: 404, code: "ResourceNotFound", want: "again"})
		judgements(t, cases, func(s *Services) (actions.Action, actions.Event) {
			a := s.CloudWatchAlarm(CloudWatchAlarm{AlarmName: "n", StateReason: "n", StateValue: "OK"})
			return a, event(t, a, "a", "")
		}, xmlError)
	})
}

func TestCloudWatchAlarm(t *testing.T) {
	url := servertest.Moto(t)
	c := cloudwatch.NewFromConfig(sdkConfig(url))
	name := unique(t)
	_, err := c.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: &name, ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, EvaluationPeriods: sdk.Int32(1),
		MetricName: sdk.String("m"), Namespace: sdk.String("n"), Period: sdk.Int32(60), Statistic: types.StatisticAverage, Threshold: sdk.Float64(1),
	})
	require.NoError(t, err)
	a := requireDecode(t, open(t, url, nil), `{"cloudwatchAlarm":{"roleArn":"`+testRole+`","alarmName":"`+name+`","stateReason":"pump ${topic(2)} is hot","stateValue":"${state}"}}`)
	for _, state := range []string{"ALARM", "INSUFFICIENT_DATA", "OK"} {
		ev := event(t, a, "pump/7", "", "pump 7 is hot", state)
		require.NoError(t, a.Do(t.Context(), ev))
		require.NoError(t, a.Do(t.Context(), ev), "a second time")
		out, err := c.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}})
		require.NoError(t, err)
		require.Equal(t, state, string(out.MetricAlarms[0].StateValue))
		require.Equal(t, "pump 7 is hot", *out.MetricAlarms[0].StateReason)
	}
	for _, texts := range [][]string{{"hot", "alarm"}, {"hot", ""}, {strings.Repeat("ü", 1024), "OK"}} {
		require.Equal(t, "permanent", kindOf(a.Do(t.Context(), event(t, a, "pump/7", "", texts...))), texts)
	}
	require.NoError(t, a.Do(t.Context(), event(t, a, "pump/7", "", strings.Repeat("ü", 1023), "OK")))

	missing := open(t, url, nil).CloudWatchAlarm(CloudWatchAlarm{AlarmName: name + "missing", StateReason: "r", StateValue: "OK"})
	require.Equal(t, "again", kindOf(missing.Do(t.Context(), event(t, missing, "a", ""))), "it may yet be made")
	chosen := open(t, url, nil).CloudWatchAlarm(CloudWatchAlarm{AlarmName: "${name}", StateReason: "r", StateValue: "OK"})
	require.Equal(t, "permanent", kindOf(chosen.Do(t.Context(), event(t, chosen, "a", "", name+"missing"))))
}

func TestCloudWatchRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	metric := func(with string) string {
		return `{"cloudwatchMetric":{"roleArn":"` + testRole + `","metricNamespace":"n","metricName":"n","metricUnit":"None"` + with + `}}`
	}
	for text, expected := range map[string]string{
		metric(``):                      "metricValue is missing",
		metric(`,"metricValue":1`):      "metricValue is 1, expected a text",
		metric(`,"metricValue":"much"`): `metricValue is "much", expected a number`,
		metric(`,"metricValue":"1","metricTimestamp":"now"`):     `metricTimestamp is "now"`,
		metric(`,"metricValue":"1","dimensions":[]`):             "dimensions is not known",
		metric(`,"metricValue":"1","metricNamespace":"AWS/EC2"`): "metricNamespace stands there twice",
		`{"cloudwatchMetric":{"roleArn":"` + testRole + `","metricNamespace":"AWS/EC2","metricName":"n","metricUnit":"None","metricValue":"1"}}`: `metricNamespace is "AWS/EC2"`,
		`{"cloudwatchMetric":{"roleArn":"` + testRole + `","metricNamespace":"n","metricName":"n","metricUnit":"Degrees","metricValue":"1"}}`:    `metricUnit is "Degrees", expected a unit`,
		`{"cloudwatchAlarm":{"roleArn":"` + testRole + `","alarmName":"a","stateReason":"r","stateValue":"on"}}`:                                 `stateValue is "on", expected OK, ALARM or INSUFFICIENT_DATA`,
		`{"cloudwatchAlarm":{"roleArn":"` + testRole + `","alarmName":"a","stateValue":"OK"}}`:                                                   "stateReason is missing",
		`{"cloudwatchAlarm":{"alarmName":"a","stateReason":"r","stateValue":"OK"}}`:                                                              "roleArn is missing",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigMetric is a metric for each key at moto. A record is a sample in the second of its
// number.
func rigMetric(tb testing.TB) sinktest.Rig {
	ns := unique(tb)
	base := time.Unix(1795900000, 0)
	return sinktest.Rig{
		Addr: addr(servertest.Moto(tb)), HTTP: true, Unordered: true, Poison: []byte(`{"key":"poison","n":"x"}`),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).CloudWatchMetric(CloudWatchMetric{
				MetricNamespace: ns, MetricName: "${key}", MetricValue: "${n}", MetricUnit: "None", MetricTimestamp: "${1795900000 + n}",
			})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for k := range 8 {
				key := fmt.Sprintf("k%d", k)
				for _, p := range statistics(tb, ns, key, base, base.Add(24*time.Minute)) {
					for range int(*p.SampleCount) {
						got = append(got, sinktest.Record{Key: key, N: int(p.Timestamp.Sub(base) / time.Second)})
					}
				}
			}
			return got
		},
	}
}

// rigAlarm is an alarm that takes the reasons of its states. (Moto would do too, in a minute:
// 40 ms a call.)
func rigAlarm(tb testing.TB) sinktest.Rig {
	f := newFront(tb, func(w http.ResponseWriter, r request) {
		v := form(tb, r)
		if v.Get("Action") != "SetAlarmState" || v.Get("AlarmName") != "hot" || v.Get("StateValue") != "ALARM" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, emptyXML)
	})
	return sinktest.Rig{
		Addr: addr(f.url), HTTP: true, Poison: []byte(`{"key":"poison","n":"` + strings.Repeat("x", 1023) + `"}`), // too long a reason
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).CloudWatchAlarm(CloudWatchAlarm{AlarmName: "hot", StateReason: "${topic(2)} ${n}", StateValue: "ALARM"})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, r := range f.requests() {
				var rec sinktest.Record
				_, err := fmt.Sscan(form(tb, r).Get("StateReason"), &rec.Key, &rec.N)
				require.NoError(tb, err)
				got = append(got, rec)
			}
			return got
		},
	}
}

func TestCloudWatchAlarmFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigAlarm)
}

func BenchmarkCloudWatchAlarm(b *testing.B) { sinktest.Bench(b, rigAlarm) }

func TestCloudWatchMetricFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigMetric)
}

func BenchmarkCloudWatchMetric(b *testing.B) { sinktest.Bench(b, rigMetric) }
