package aws

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
)

const testFunction = "arn:aws:lambda:eu-west-1:123456789012:function:alert"

func TestLambda(t *testing.T) {
	f := before(t)
	s := open(t, f.url, nil)
	a := requireDecode(t, s, `{"lambda":{"functionArn":"`+testFunction+`:live"}}`)
	ev := event(t, a, "pump/7", `{"temp": 22.50}`)
	require.NoError(t, a.Do(t.Context(), ev))
	require.Equal(t, testFunction+":live", a.(actions.Named).Resource(ev))

	r := f.only(t)
	require.Equal(t, http.MethodPost, r.Method)
	require.Equal(t, "/2015-03-31/functions/"+testFunction+":live/invocations", r.URL.Path)
	require.Equal(t, "Event", r.Header.Get("X-Amz-Invocation-Type"))
	require.Equal(t, `{"temp": 22.50}`, string(r.body), "as it is")
	require.Contains(t, r.Header.Get("Authorization"), "/eu-west-1/lambda/aws4_request", "the region of the function")
}

func TestLambdaWithRole(t *testing.T) {
	f := answers(t, http.StatusAccepted, "")
	s := open(t, f.url, func(c *Config) { c.Roles[testRole] = otherCredentials })
	a := requireDecode(t, s, `{"lambda":{"functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:${topic(2)}","roleArn":"`+testRole+`"}}`)
	ev := event(t, a, "pump/7", "[]", testFunction)
	require.NoError(t, a.Do(t.Context(), ev))
	require.Contains(t, f.only(t).Header.Get("Authorization"), "Credential=other/")

	for _, arn := range []string{"", "alert", "../x", testFunction + "/../../x", testFunction + ":live:more", "arn:aws:sqs:eu-west-1:123456789012:q"} {
		err := a.Do(t.Context(), event(t, a, "pump/7", "[]", arn))
		require.Equal(t, "permanent", kindOf(err), arn)
		require.ErrorContains(t, err, "functionArn is ")
	}
	f.only(t)
}

func TestLambdaErrors(t *testing.T) {
	cases := []verdictCase{
		{name: "accepted", status: http.StatusAccepted, want: "well"},
		{name: "throttled", status: 429, code: "TooManyRequestsException", want: "again"},
		{name: "being changed", status: 409, code: "ResourceConflictException", want: "again"},
		{name: "no function", status: 404, code: "ResourceNotFoundException", want: "again"},
		{name: "denied", status: 403, code: "AccessDeniedException", want: "again"},
		{name: "too large", status: 413, code: "RequestTooLargeException", want: "permanent"},
		{name: "not JSON", status: 400, code: "InvalidRequestContentException", want: "permanent"},
		{name: "by itself", status: 500, code: "ServiceException", want: "again"},
		{name: "no address left", status: 502, code: "SubnetIPAddressLimitReachedException", want: "again"},
	}
	judgements(t, cases, func(s *Services) (actions.Action, actions.Event) {
		a := s.Lambda(Lambda{FunctionARN: testFunction})
		return a, event(t, a, "a", "{}")
	}, jsonError)

	s := open(t, answers(t, http.StatusAccepted, "").url, nil)
	a := s.Lambda(Lambda{FunctionARN: testFunction})
	for _, payload := range []string{"", "on", "\xff", "{"} {
		require.Equal(t, "permanent", kindOf(a.Do(t.Context(), event(t, a, "a", payload))), payload)
	}
	f := newFront(t, func(w http.ResponseWriter, _ request) {
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
	})
	a = open(t, f.url, nil).Lambda(Lambda{FunctionARN: "${function}"})
	require.Equal(t, "permanent", kindOf(a.Do(t.Context(), event(t, a, "a", "{}", testFunction))), "the device has chosen it")
}

func TestLambdaRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	for text, expected := range map[string]string{
		`{"lambda":{}}`:                      "functionArn is missing",
		`{"lambda":{"functionArn":"alert"}}`: `functionArn is "alert", expected the ARN of a function`,
		`{"lambda":{"functionArn":"` + testFunction + `","roleArn":"nobody"}}`:       "roleArn",
		`{"lambda":{"functionArn":"` + testFunction + `","invocationType":"Event"}}`: "invocationType is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigLambda is a function that takes JSON. (Moto would do too, in a minute: 40 ms a call.)
func rigLambda(tb testing.TB) sinktest.Rig {
	f := newFront(tb, func(w http.ResponseWriter, r request) {
		if !json.Valid(r.body) || r.Header.Get("X-Amz-Invocation-Type") != "Event" {
			w.Header().Set("X-Amzn-Errortype", "InvalidRequestContentException")
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return sinktest.Rig{
		Addr: addr(f.url), HTTP: true, Poison: []byte("\xff"),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).Lambda(Lambda{FunctionARN: testFunction})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, r := range f.requests() {
				got = append(got, sinktest.Parse(tb, r.body))
			}
			return got
		},
	}
}

func TestLambdaFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigLambda)
}

func BenchmarkLambda(b *testing.B) { sinktest.Bench(b, rigLambda) }
