package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/thinghub/thinghub/actions"
)

// Lambda calls a function with the outgoing payload, which must be JSON, and does not wait
// for it to end. It is the AWS action "lambda". What becomes of an invocation that was
// accepted is the business of the function: its retries, its dead letter queue.
//
// A call takes one message. Lambda knows no key that would drop a message which comes
// twice.
type Lambda struct {
	// FunctionARN is the function, with a version or an alias if wanted. It may have
	// templates. The region is that of the ARN.
	FunctionARN string `json:"functionArn"`
	// RoleARN is whose credentials are used. AWS has no role here, but asks the function's
	// own policy; empty: those of the host.
	RoleARN string `json:"roleArn,omitempty"`
}

// Lambda returns the action.
func (s *Services) Lambda(p Lambda) actions.Action {
	return &lambdaAction{at: s.at("lambda", p.FunctionARN, p.RoleARN), Lambda: p}
}

type lambdaAction struct {
	Lambda
	at
}

func readLambda(p params) actions.Action {
	return p.services.Lambda(Lambda{FunctionARN: p.Need("functionArn"), RoleARN: p.Text("roleArn")})
}

// Kind is "lambda".
func (*lambdaAction) Kind() string { return "lambda" }

// Resource is the ARN of the function.
func (a *lambdaAction) Resource(ev actions.Event) string { return resource(a.FunctionARN, ev) }

// Params are the ARN of the function.
func (a *lambdaAction) Params() []actions.Param {
	return []actions.Param{{Name: "functionArn", Text: a.FunctionARN}}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *lambdaAction) Check() error {
	if !templated(a.FunctionARN) {
		if _, err := functionRegion(a.FunctionARN); err != nil {
			return err
		}
	}
	return a.check()
}

var functionARN = regexp.MustCompile(`^arn:aws[a-zA-Z-]*:lambda:([a-z]{2,}(?:-[a-z]+)+-\d{1,2}):\d{12}:function:[a-zA-Z0-9_-]{1,140}(?::(?:\$LATEST|[a-zA-Z0-9_-]{1,128}))?$`)

// functionRegion checks the ARN of a function and returns its region.
func functionRegion(arn string) (string, error) {
	m := functionARN.FindStringSubmatch(arn)
	if m == nil {
		return "", actions.WrongField("functionArn", arn, "the ARN of a function, arn:aws:lambda:REGION:ACCOUNT:function:NAME")
	}
	return m[1], nil
}

// Do has the function invoked once.
func (a *lambdaAction) Do(ctx context.Context, ev actions.Event) error {
	if !json.Valid(ev.Payload) {
		return actions.Permanent(errNotJSON)
	}
	_, err := a.services.invoke(ctx, a.role, ev.Params[0], types.InvocationTypeEvent, ev.Payload)
	var busy *types.ResourceConflictException
	if errors.As(err, &busy) { // it is being changed
		return passes(err)
	}
	return judge(err, templated(a.FunctionARN))
}

// passes is an error that judge would take for one of the event, and is none.
func passes(err error) error { return &callError{err} }

// errNotJSON is what an action says that needs JSON.
var errNotJSON = errors.New("the payload is not JSON")

// invoke calls a function. The error is that of the SDK.
func (s *Services) invoke(ctx context.Context, role, arn string, how types.InvocationType, payload []byte) (*lambda.InvokeOutput, error) {
	region, err := functionRegion(arn)
	if err != nil {
		return nil, actions.Permanent(err)
	}
	c, err := client(s, role, func(cfg sdk.Config) *lambda.Client { return lambda.NewFromConfig(cfg) })
	if err != nil {
		return nil, err
	}
	return c.Invoke(ctx, &lambda.InvokeInput{
		// net/http may still read the body when the answer is there.
		FunctionName: sdk.String(arn), InvocationType: how, Payload: bytes.Clone(payload),
	}, func(o *lambda.Options) { o.Region = region })
}

// functionError is why a function that was called has failed: it says so in its answer.
func functionError(out *lambda.InvokeOutput) error {
	if out.FunctionError == nil {
		return nil
	}
	var told struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	_ = json.Unmarshal(out.Payload, &told)
	text := clip(strings.Trim(told.Type+": "+told.Message, ": "), maxText)
	if text == "" {
		text = *out.FunctionError
	}
	return fmt.Errorf("the function failed: %s", text)
}
