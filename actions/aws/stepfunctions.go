package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/thinghub/thinghub/actions"
)

// StepFunctions starts an execution of a state machine with the outgoing payload, which
// must be JSON, as its input. It is the AWS action "stepFunctions".
//
// A call takes one message. The name of the execution is made of the event's id, and so a
// standard workflow is started once for each event, however often that is tried. An
// express workflow may be started twice.
type StepFunctions struct {
	// StateMachineName may have templates. The state machine is in the region of the
	// Services, and in the account of the role, or if there is none in that of the host's
	// credentials. What AWS does not take: it may be an ARN, of a version or an alias too.
	StateMachineName string `json:"stateMachineName"`
	// ExecutionNamePrefix is put before the UUID of the name, without anything between. It
	// may have templates, and has up to 44 characters.
	ExecutionNamePrefix string `json:"executionNamePrefix,omitempty"`
	RoleARN             string `json:"roleArn,omitempty"`
}

// StepFunctions returns the action.
func (s *Services) StepFunctions(p StepFunctions) actions.Action {
	return &stepsAction{at: s.at("stepFunctions", p.StateMachineName, p.RoleARN), StepFunctions: p}
}

type stepsAction struct {
	StepFunctions
	at

	mu      sync.Mutex
	machine string // what precedes the name in the ARN of a state machine
}

const (
	longestExecution = 80
	lengthUUID       = 36
)

func readSteps(p params) actions.Action {
	return p.services.StepFunctions(StepFunctions{
		StateMachineName: p.Need("stateMachineName"), ExecutionNamePrefix: p.Text("executionNamePrefix"), RoleARN: p.role(),
	})
}

// Kind is "stepFunctions".
func (*stepsAction) Kind() string { return "stepFunctions" }

// Resource is the state machine.
func (a *stepsAction) Resource(ev actions.Event) string { return resource(a.StateMachineName, ev) }

// Params are the state machine and the prefix.
func (a *stepsAction) Params() []actions.Param {
	return []actions.Param{
		{Name: "stateMachineName", Text: a.StateMachineName},
		{Name: "executionNamePrefix", Text: a.ExecutionNamePrefix, Optional: true},
	}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *stepsAction) Check() error {
	if !templated(a.StateMachineName) {
		if err := checkMachine(a.StateMachineName); err != nil {
			return err
		}
	}
	if !templated(a.ExecutionNamePrefix) {
		if err := checkPrefix(a.ExecutionNamePrefix); err != nil {
			return err
		}
	}
	return a.check()
}

func checkMachine(name string) error {
	if isMachine(name) {
		return nil
	}
	if !isStepsName(name, longestExecution) || name == "" {
		return actions.WrongField("stateMachineName", name, "the name of a state machine, or its ARN")
	}
	return nil
}

// isMachine reports whether a text is the ARN of a state machine.
func isMachine(text string) bool {
	p := strings.SplitN(text, ":", 7)
	return len(p) == 7 && p[0] == "arn" && p[2] == "states" && p[5] == "stateMachine" && p[6] != ""
}

func checkPrefix(prefix string) error {
	if !isStepsName(prefix, longestExecution-lengthUUID) {
		return actions.WrongField("executionNamePrefix", prefix, "up to 44 characters, without blanks and any of "+notInNames)
	}
	return nil
}

// notInNames are the characters that a name of Step Functions may not have.
const notInNames = "<>{}[]?*\"#%\\^|~`$&,;:/"

func isStepsName(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(notInNames, r) || r&^1 == 0xfffe || r == unicode.MaxRune
	})
}

// Do starts one execution.
func (a *stepsAction) Do(ctx context.Context, ev actions.Event) error {
	if !json.Valid(ev.Payload) {
		return actions.Permanent(errNotJSON)
	}
	prefix := ev.Params[1]
	if err := checkPrefix(prefix); err != nil {
		return actions.Permanent(err)
	}
	if err := checkMachine(ev.Params[0]); err != nil {
		return actions.Permanent(err)
	}
	arn, err := a.arn(ctx, ev.Params[0])
	if err != nil {
		return err
	}
	c, err := client(a.services, a.role, func(c sdk.Config) *sfn.Client { return sfn.NewFromConfig(c) })
	if err != nil {
		return err
	}
	_, err = c.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &arn, Name: sdk.String(prefix + uuid(ev.ID())), Input: sdk.String(string(ev.Payload)),
	}, func(o *sfn.Options) { o.Region = strings.SplitN(arn, ":", 5)[3] })
	var (
		started  *types.ExecutionAlreadyExists
		full     *types.ExecutionLimitExceeded
		key      *types.KmsThrottlingException
		deleting *types.StateMachineDeleting
	)
	switch {
	case errors.As(err, &started):
		return nil // by an earlier try: nobody else has the name
	case errors.As(err, &full), errors.As(err, &key), errors.As(err, &deleting) && !templated(a.StateMachineName):
		return passes(err)
	}
	return judge(err, templated(a.StateMachineName))
}

// arn returns the ARN of a state machine.
func (a *stepsAction) arn(ctx context.Context, name string) (string, error) {
	if isMachine(name) {
		return name, nil
	}
	a.mu.Lock()
	before := a.machine
	a.mu.Unlock()
	if before == "" {
		who := a.role
		if who == "" {
			c, err := client(a.services, "", func(c sdk.Config) *sts.Client { return sts.NewFromConfig(c) })
			if err != nil {
				return "", err
			}
			out, err := c.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			if err != nil {
				return "", judge(err, false)
			}
			who = sdk.ToString(out.Arn)
		}
		p := strings.SplitN(who, ":", 6) // arn:aws:iam::ACCOUNT:...
		if len(p) != 6 {
			return "", fmt.Errorf("the account is not known: %q is no ARN", clip(who, 80))
		}
		before = fmt.Sprintf("arn:%s:states:%s:%s:stateMachine:", p[1], a.services.cfg.SDK.Region, p[4])
		a.mu.Lock()
		a.machine = before
		a.mu.Unlock()
	}
	return before + name, nil
}

// uuid makes a UUID of an id, always the same: version 8 of RFC 9562.
func uuid(id string) string {
	sum := sha256.Sum256([]byte(id))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	s := make([]byte, 0, lengthUUID)
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			s = append(s, '-')
		}
		s = hex.AppendEncode(s, b[[...]int{0, 4, 6, 8, 10}[i]:end])
	}
	return string(s)
}
