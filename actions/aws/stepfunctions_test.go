package aws

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// newMachine makes a state machine at moto and returns its name and ARN.
func newMachine(tb testing.TB) (c *sfn.Client, name, arn string) {
	tb.Helper()
	c = sfn.NewFromConfig(sdkConfig(servertest.Moto(tb)))
	name = unique(tb)
	out, err := c.CreateStateMachine(context.Background(), &sfn.CreateStateMachineInput{
		Name: &name, RoleArn: sdk.String(testRole), Definition: sdk.String(`{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}`),
	})
	require.NoError(tb, err)
	return c, name, *out.StateMachineArn
}

// executions returns the inputs of the executions of a state machine by their names.
func executions(tb testing.TB, c *sfn.Client, arn string) map[string]string {
	tb.Helper()
	inputs := map[string]string{}
	p := sfn.NewListExecutionsPaginator(c, &sfn.ListExecutionsInput{StateMachineArn: &arn})
	for p.HasMorePages() {
		page, err := p.NextPage(context.Background())
		require.NoError(tb, err)
		for _, e := range page.Executions {
			out, err := c.DescribeExecution(context.Background(), &sfn.DescribeExecutionInput{ExecutionArn: e.ExecutionArn})
			require.NoError(tb, err)
			require.NotContains(tb, inputs, *e.Name)
			inputs[*e.Name] = *out.Input
		}
	}
	return inputs
}

var isUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestStepFunctions(t *testing.T) {
	c, name, arn := newMachine(t)
	s := open(t, servertest.Moto(t), func(c *Config) { c.OptionalRole = true })

	a := requireDecode(t, s, `{"stepFunctions":{"roleArn":"`+testRole+`","stateMachineName":"`+name+`","executionNamePrefix":"pump-${topic(2)}-"}}`)
	ev := event(t, a, "pump/7", `{"temp": 20}`, "pump-7-")
	require.NoError(t, a.Do(t.Context(), ev))
	require.NoError(t, a.Do(t.Context(), ev), "an answer that was lost")
	other := event(t, a, "pump/7", `{"temp": 20}`, "pump-7-")
	require.NoError(t, a.Do(t.Context(), other), "another message with the same content")
	got := executions(t, c, arn)
	require.Len(t, got, 2)
	for name, input := range got {
		id, ok := strings.CutPrefix(name, "pump-7-")
		require.True(t, ok, name)
		require.Regexp(t, isUUID, id)
		require.Equal(t, `{"temp": 20}`, input)
	}

	// Once it is over, the same name is refused; it was started all the same.
	for name := range got {
		_, err := c.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: sdk.String(strings.Replace(arn, ":stateMachine:", ":execution:", 1) + ":" + name)})
		require.NoError(t, err)
	}
	require.NoError(t, a.Do(t.Context(), ev))
	require.Len(t, executions(t, c, arn), 2)

	// Without a role the account is that of the credentials; an ARN has it.
	for _, text := range []string{name, arn} {
		a := requireDecode(t, s, `{"stepFunctions":{"stateMachineName":"`+text+`"}}`)
		require.NoError(t, a.Do(t.Context(), event(t, a, "a", `1`)))
		require.NoError(t, a.Do(t.Context(), event(t, a, "a", `[]`)))
	}
	require.Len(t, executions(t, c, arn), 6)

	missing := s.StepFunctions(StepFunctions{StateMachineName: name + "missing"})
	require.Equal(t, "again", kindOf(missing.Do(t.Context(), event(t, missing, "a", "{}"))))
	chosen := s.StepFunctions(StepFunctions{StateMachineName: "${name}"})
	require.Equal(t, "permanent", kindOf(chosen.Do(t.Context(), event(t, chosen, "a", "{}", name+"missing"))))
}

func TestStepFunctionsRequest(t *testing.T) {
	f := answers(t, 200, `{"executionArn":"a","startDate":1}`)
	s := open(t, f.url, nil)
	a := s.StepFunctions(StepFunctions{StateMachineName: "m", RoleARN: "arn:aws-cn:iam::999999999999:role/r", ExecutionNamePrefix: "p"})
	require.Equal(t, "permanent", kindOf(a.Do(t.Context(), event(t, a, "a", "{}"))), "the role is not known")
	s = open(t, f.url, func(c *Config) { c.Roles["arn:aws-cn:iam::999999999999:role/r"] = otherCredentials })
	a = s.StepFunctions(StepFunctions{StateMachineName: "m", RoleARN: "arn:aws-cn:iam::999999999999:role/r", ExecutionNamePrefix: "p"})
	ev := event(t, a, "a", "{}")
	require.NoError(t, a.Do(t.Context(), ev))
	var in map[string]string
	require.NoError(t, json.Unmarshal(f.only(t).body, &in))
	require.Equal(t, map[string]string{
		"stateMachineArn": "arn:aws-cn:states:eu-central-1:999999999999:stateMachine:m", "name": "p" + uuid(ev.ID()), "input": "{}",
	}, in)

	f = answers(t, 200, `{"executionArn":"a","startDate":1}`)
	a = open(t, f.url, nil).StepFunctions(StepFunctions{StateMachineName: "arn:aws:states:us-west-2:1:stateMachine:m:live"})
	require.NoError(t, a.Do(t.Context(), event(t, a, "a", "{}")))
	require.Contains(t, f.only(t).Header.Get("Authorization"), "/us-west-2/states/")
	require.Contains(t, string(f.only(t).body), `:stateMachine:m:live"`)
}

func TestStepFunctionsErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "started", status: 200, body: `{"executionArn":"a","startDate":1}`, want: "well"},
		{name: "started before", status: 400, code: "ExecutionAlreadyExists", want: "well"},
		{name: "too many", status: 400, code: "ExecutionLimitExceeded", want: "again"},
		{name: "throttled", status: 400, code: "ThrottlingException", want: "again"},
		{name: "key throttled", status: 400, code: "KmsThrottlingException", want: "again"},
		{name: "being removed", status: 400, code: "StateMachineDeleting", want: "again"},
		{name: "missing", status: 400, code: "StateMachineDoesNotExist", want: "again"},
		{name: "wrong input", status: 400, code: "InvalidExecutionInput", want: "permanent"},
		{name: "wrong name", status: 400, code: "InvalidName", want: "permanent"},
		{name: "by itself", status: 500, body: "<html>", want: "again"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.StepFunctions(StepFunctions{StateMachineName: "m", RoleARN: testRole})
		return a, event(t, a, "a", "{}")
	}, jsonError)

	a := open(t, answers(t, 200, `{"executionArn":"a","startDate":1}`).url, nil).StepFunctions(StepFunctions{StateMachineName: "${name}", ExecutionNamePrefix: "${prefix}", RoleARN: testRole})
	for _, c := range []struct{ payload, name, prefix, want string }{
		{"{}", "m", "", "well"},
		{"{}", "m", strings.Repeat("p", 44), "well"},
		{"{}", "m", strings.Repeat("p", 45), "permanent"},
		{"{}", "m", "pump/7", "permanent"},
		{"{}", "m", "a b", "permanent"},
		{"{}", "m", "a\x00", "permanent"},
		{"{}", "m", "ü-", "well"},
		{"{}", "", "", "permanent"},
		{"{}", "m:live", "", "permanent"},
		{"{}", "arn:aws:states:eu-central-1:1:stateMachine:m", "", "well"},
		{"{}", "arn:aws:states:eu-central-1:1:execution:m", "", "permanent"},
		{"text", "m", "", "permanent"},
		{"", "m", "", "permanent"},
	} {
		err := a.Do(t.Context(), event(t, a, "a", c.payload, c.name, c.prefix))
		require.Equal(t, c.want, kindOf(err), "%+v: %v", c, err)
	}
}

func TestStepFunctionsRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	for text, expected := range map[string]string{
		`{"stepFunctions":{"roleArn":"` + testRole + `"}}`:                                                    "stateMachineName is missing",
		`{"stepFunctions":{"stateMachineName":"m"}}`:                                                          "roleArn is missing",
		`{"stepFunctions":{"roleArn":"` + testRole + `","stateMachineName":"a/b"}}`:                           `stateMachineName is "a/b"`,
		`{"stepFunctions":{"roleArn":"` + testRole + `","stateMachineName":"m","executionNamePrefix":"a b"}}`: `executionNamePrefix is "a b", expected up to 44 characters`,
		`{"stepFunctions":{"roleArn":"` + testRole + `","stateMachineName":"m","input":"${*}"}}`:              "input is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigSteps is a state machine that starts an execution once for each name. (Moto would do
// too, in a minute: 40 ms a call.)
func rigSteps(tb testing.TB) sinktest.Rig {
	var (
		mu    sync.Mutex
		names = map[string]string{}
		order []string
	)
	f := newFront(tb, func(w http.ResponseWriter, r request) {
		var in struct{ Name, Input, StateMachineArn string }
		mu.Lock()
		defer mu.Unlock()
		if json.Unmarshal(r.body, &in) != nil || r.target() != "StartExecution" || in.StateMachineArn != "arn:aws:states:eu-central-1:123456789012:stateMachine:m" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if was, twice := names[in.Name]; twice && was != in.Input {
			w.Header().Set("X-Amzn-Errortype", "ExecutionAlreadyExists")
			w.WriteHeader(http.StatusBadRequest)
			return
		} else if !twice {
			names[in.Name] = in.Input
			order = append(order, in.Input)
		}
		_, _ = io.WriteString(w, `{"executionArn":"a","startDate":1}`)
	})
	return sinktest.Rig{
		Addr: addr(f.url), HTTP: true, Once: true, Poison: []byte("text"),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).StepFunctions(StepFunctions{StateMachineName: "m", ExecutionNamePrefix: "${topic(2)}-", RoleARN: testRole})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			mu.Lock()
			inputs := slices.Clone(order)
			mu.Unlock()
			for _, input := range inputs {
				got = append(got, sinktest.Parse(tb, []byte(input)))
			}
			return got
		},
	}
}

func TestStepFunctionsFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigSteps)
}

func BenchmarkStepFunctions(b *testing.B) { sinktest.Bench(b, rigSteps) }
