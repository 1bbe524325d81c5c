package actions_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestRepublish(t *testing.T) {
	t.Parallel()
	h := &hub{}
	a := actions.Republish{Topic: "out/${x}", QoS: 1, Headers: &actions.MQTTHeaders{
		PayloadFormatIndicator: "${x}", ContentType: "${x}", ResponseTopic: "${x}", CorrelationData: "${x}", MessageExpiry: "${x}",
		UserProperties: []actions.Property{{Key: "${x}", Value: "${x}"}, {Key: "l", Value: "m"}},
	}}
	require.NoError(t, a.Check())
	require.Equal(t, []string{
		"topic", "headers.payloadFormatIndicator", "headers.contentType", "headers.responseTopic", "headers.correlationData", "headers.messageExpiry",
		"headers.userProperties[0].key", "headers.userProperties[0].value", "headers.userProperties[1].key", "headers.userProperties[1].value",
	}, names(a))

	do := on(t, a, actions.Host{Publisher: h})
	ev := event("payload", "out/1", "UTF8_DATA", "text/plain", "re", "YWI=", "60", "k", "v", "l", "m")
	require.NoError(t, do.Do(t.Context(), ev))
	ev = event("payload", "out/2", "UNSPECIFIED_BYTES", "", "", "", "", "k", "", "l", "m")
	ev.Message.Hops = 255
	require.NoError(t, do.Do(t.Context(), ev))
	require.Equal(t, []actions.Publication{
		{
			Topic: "out/1", Payload: []byte("payload"), QoS: 1, Rule: "rule", Hops: 2, PayloadFormat: actions.FormatUTF8, ContentType: "text/plain", ResponseTopic: "re",
			CorrelationData: []byte("ab"), Expiry: time.Minute, UserProperties: []actions.Property{{Key: "k", Value: "v"}, {Key: "l", Value: "m"}},
		},
		{
			Topic: "out/2", Payload: []byte("payload"), QoS: 1, Rule: "rule", Hops: 255, PayloadFormat: actions.FormatBytes,
			UserProperties: []actions.Property{{Key: "k"}, {Key: "l", Value: "m"}},
		},
	}, h.published)
	require.Equal(t, "out/2", a.Resource(ev))

	h.err = errors.New("full")
	err := do.Do(t.Context(), ev)
	require.ErrorIs(t, err, h.err)
	require.NotErrorIs(t, err, actions.ErrPermanent)
}

func TestRepublishTopics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, rendered, want string }{
		{"plain", "a/b", "a/b", ""},
		{"reserved", "$$aws/things/${t}/shadow/update", "$aws/things/a/shadow/update", ""},
		{"reserved with one dollar", "$aws/things/${t}/shadow/update", "$aws/things/a/shadow/update", ""},
		{"dollar before a template", "$${t}", "$a", ""},
		{"two dollars before a template", "$$${t}", "$a", ""},
		{"shadow of a thing named jobs", "$$aws/things/jobs/shadow/update", "$aws/things/jobs/shadow/update", ""},
		{"dollar from a device", "${t}", "$aws/things/a/shadow/update", `topic is "$aws/things/a/shadow/update", expected a topic that does not begin with "$", unless the action's text begins with "$$"`},
		{"wildcard from a device", "a/${t}", "a/+", `topic name "a/+": "+" is allowed in filters only`},
		{"null from a device", "a/${t}", "a/\x00", `topic name "a/\x00": contains the null character`},
		{"empty", "${t}", "", `topic name "": must not be empty`},
		{"jobs from a device", "$$aws/things/${t}", "$aws/things/a/jobs/start-next", `topic is "$aws/things/a/jobs/start-next", expected a topic other than those of jobs`},
		{"too long", "${t}", strings.Repeat("a", 65536), `topic name "` + strings.Repeat("a", 80) + `"...: longer than 65535 bytes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &hub{}
			a := actions.Republish{Topic: tt.text}
			require.NoError(t, a.Check())
			do := on(t, a, actions.Host{Publisher: h})
			err := do.Do(t.Context(), event("", tt.rendered))
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, tt.rendered, h.published[0].Topic)
				return
			}
			require.EqualError(t, err, tt.want)
			require.ErrorIs(t, err, actions.ErrPermanent)
			require.Empty(t, h.published)
		})
	}
	require.Equal(t, "$aws/x", actions.Republish{Topic: "$$aws/x"}.Params()[0].Text)
}

func TestRepublishChecks(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1025)
	many := make([]actions.Property, 101)
	for _, tt := range []struct {
		name string
		a    actions.Republish
		want string
	}{
		{"no topic", actions.Republish{}, "topic is missing, expected a topic"},
		{"QoS", actions.Republish{Topic: "a", QoS: 2}, "qos is 2, expected 0 or 1"},
		{"long content type", actions.Republish{Topic: "a", Headers: &actions.MQTTHeaders{ContentType: long}}, `headers.contentType is "` + long[:80] + `"..., expected at most 1024 bytes`},
		{"null", actions.Republish{Topic: "a", Headers: &actions.MQTTHeaders{ContentType: "\x00"}}, `headers.contentType is "\x00", expected UTF-8 without U+0000`},
		{"property without key", actions.Republish{Topic: "a", Headers: &actions.MQTTHeaders{UserProperties: make([]actions.Property, 1)}}, `headers.userProperties[0].key is missing, expected a text`},
		{"too many properties", actions.Republish{Topic: "a", Headers: &actions.MQTTHeaders{UserProperties: many}}, `headers.userProperties is an array of 101, expected 1 to 100 items`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, tt.a.Check(), tt.want)
		})
	}
	require.NoError(t, actions.Republish{Topic: "a/${b}", Headers: &actions.MQTTHeaders{MessageExpiry: "${c}"}}.Check())
}

func TestRepublishRefusesRenderedHeaders(t *testing.T) {
	t.Parallel()
	a := actions.Republish{Topic: "a", Headers: &actions.MQTTHeaders{
		PayloadFormatIndicator: "${x}", ContentType: "${x}", ResponseTopic: "${x}", CorrelationData: "${x}", MessageExpiry: "${x}",
	}}
	for i, tt := range []struct{ value, want string }{
		{"utf8", `headers.payloadFormatIndicator is "utf8", expected UNSPECIFIED_BYTES or UTF8_DATA`},
		{"\xff", `headers.contentType is "\xff", expected UTF-8 without U+0000`},
		{"a/#", `headers.responseTopic is "a/#", expected a topic without wildcards`},
		{"not base64", `headers.correlationData is "not base64", expected base64`},
		{"0", `headers.messageExpiry is "0", expected a number of seconds from 1 to 4294967295`},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			texts := make([]string, 6)
			texts[0], texts[i+1] = "a", tt.value
			err := on(t, a, actions.Host{Publisher: &hub{}}).Do(t.Context(), event("", texts...))
			require.EqualError(t, err, tt.want)
			require.ErrorIs(t, err, actions.ErrPermanent)
		})
	}
}
