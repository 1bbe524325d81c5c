package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"

	"github.com/thinghub/thinghub/actions"
)

// SageMaker asks a model that SageMaker hosts about the outgoing payload, and publishes what
// it answers. The action is this hub's own, "sageMaker"; the rules of AWS have a function
// for that, machinelearning_predict, which [Services.Externals] provides too.
//
// A call takes one message. One that is tried again because its answer could not be
// published asks the model again. What the model itself answers with 500, or with a status
// that blames the request, is for good: most models fail so on an input that they do not
// understand. What says that it is overloaded passes.
type SageMaker struct {
	// EndpointName may have templates.
	EndpointName string `json:"endpointName"`
	// Features, if there are any, are the members of the outgoing object whose values are
	// sent, in this order, as one line of CSV: true is 1, false 0, null nothing. Without
	// them the payload is sent as it is.
	Features []string `json:"features,omitempty"`
	// ContentType is what is sent. Default text/csv with Features, application/json for
	// JSON, else application/octet-stream.
	ContentType string `json:"contentType,omitempty"`
	// Accept is what the answer is to be, if the model has a choice.
	Accept string `json:"accept,omitempty"`
	// TargetModel and TargetVariant choose among those of the endpoint. They may have
	// templates.
	TargetModel   string `json:"targetModel,omitempty"`
	TargetVariant string `json:"targetVariant,omitempty"`
	// Republish says where in this hub the answer is published. Nil: nowhere.
	Republish *actions.Republish `json:"republish,omitempty"`
	// AnswerKey, if it is set, publishes the outgoing payload, which must be an object,
	// with the answer as this member. Without it the answer is published as it is.
	AnswerKey string `json:"answerKey,omitempty"`
	RoleARN   string `json:"roleArn,omitempty"`
}

// SageMaker returns the action.
func (s *Services) SageMaker(p SageMaker) actions.Action {
	return &modelAction{SageMaker: p, at: s.at("sageMaker", p.EndpointName, p.RoleARN)}
}

type modelAction struct {
	SageMaker
	at
	wrong   error          // what was read is
	publish actions.Action // nil if there is none, or no host yet
}

const mostFeatures = 1000

func readSageMaker(p params) actions.Action {
	var wrong error
	a := SageMaker{
		EndpointName: p.Need("endpointName"), ContentType: p.Text("contentType"), Accept: p.Text("accept"),
		TargetModel: p.Text("targetModel"), TargetVariant: p.Text("targetVariant"), AnswerKey: p.Text("answerKey"), RoleARN: p.role(),
	}
	a.Features = p.List("features", 0, mostFeatures)
	if r := p.Raw("republish"); p.Has("republish") {
		var made actions.Action
		if made, wrong = actions.Builtin()["republish"](r); wrong == nil {
			r := made.(actions.Republish)
			a.Republish = &r
		}
	}
	made := p.services.SageMaker(a).(*modelAction)
	made.wrong = below("republish", wrong)
	return made
}

// below is an error of a part of the action.
func below(part string, err error) error {
	var field *actions.FieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &field):
		return &actions.FieldError{Field: part + "." + field.Field, Value: field.Value, Want: field.Want}
	}
	return fmt.Errorf("%s: %w", part, err)
}

// Kind is "sageMaker".
func (*modelAction) Kind() string { return "sageMaker" }

// Resource is the endpoint.
func (a *modelAction) Resource(ev actions.Event) string { return resource(a.EndpointName, ev) }

// modelParams is how many parameters precede those of Republish.
const modelParams = 3

// Params are the endpoint, the target and those of Republish.
func (a *modelAction) Params() []actions.Param {
	params := []actions.Param{
		{Name: "endpointName", Text: a.EndpointName},
		{Name: "targetModel", Text: a.TargetModel, Optional: a.TargetModel == ""},
		{Name: "targetVariant", Text: a.TargetVariant, Optional: a.TargetVariant == ""},
	}
	if a.Republish != nil {
		for _, p := range a.Republish.Params() {
			p.Name = "republish." + p.Name
			params = append(params, p)
		}
	}
	return params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *modelAction) Check() error {
	if a.wrong != nil {
		return a.wrong
	}
	for _, p := range a.Params()[:modelParams] {
		if !templated(p.Text) {
			if err := checkModel(p.Name, p.Text); err != nil {
				return err
			}
		}
	}
	for field, text := range map[string]string{"contentType": a.ContentType, "accept": a.Accept} {
		if len(text) > 1024 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			return actions.WrongField(field, text, "up to 1024 ASCII characters")
		}
	}
	if err := checkFeatures("features", a.Features); err != nil {
		return err
	}
	switch {
	case a.Republish != nil:
		if err := a.Republish.Check(); err != nil {
			return below("republish", err)
		}
	case a.AnswerKey != "":
		return actions.WrongField("answerKey", a.AnswerKey, "none without republish, or both")
	}
	return a.check()
}

func checkFeatures(field string, names []string) error {
	for i, name := range names {
		if name == "" {
			return actions.WrongField(fmt.Sprintf("%s[%d]", field, i), "", "the name of a member")
		}
	}
	return nil
}

var (
	endpointName  = regexp.MustCompile(`^[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}$`)
	targetModel   = regexp.MustCompile(`^[!-~]+$`)
	targetVariant = endpointName
)

// checkModel checks a text of the action once it is rendered.
func checkModel(field, text string) error {
	switch field {
	case "endpointName":
		if !endpointName.MatchString(text) {
			return actions.WrongField(field, text, "the name of an endpoint, 1 to 63 letters, digits and hyphens")
		}
	case "targetModel":
		if text != "" && (len(text) > 1024 || !targetModel.MatchString(text)) {
			return actions.WrongField(field, text, "1 to 1024 ASCII characters without blanks")
		}
	case "targetVariant":
		if text != "" && !targetVariant.MatchString(text) {
			return actions.WrongField(field, text, "1 to 63 letters, digits and hyphens")
		}
	}
	return nil
}

// On needs what Republish needs, if there is one.
func (a *modelAction) On(h actions.Host) (actions.Action, error) {
	on := &modelAction{SageMaker: a.SageMaker, at: a.at, wrong: a.wrong}
	if a.Republish != nil {
		var err error
		if on.publish, err = a.Republish.On(h); err != nil {
			return nil, err
		}
	}
	return on, nil
}

// Do asks the model once.
func (a *modelAction) Do(ctx context.Context, ev actions.Event) error {
	if a.Republish != nil && a.publish == nil {
		return actions.Permanent(actions.ErrNoHost)
	}
	for i, field := range [modelParams]string{"endpointName", "targetModel", "targetVariant"} {
		if err := checkModel(field, ev.Params[i]); err != nil {
			return actions.Permanent(err)
		}
	}
	body, contentType, err := a.body(ev.Payload)
	if err != nil {
		return actions.Permanent(err)
	}
	out, err := a.services.ask(ctx, a.role, &sagemakerruntime.InvokeEndpointInput{
		EndpointName: &ev.Params[0], TargetModel: optional(ev.Params[1]), TargetVariant: optional(ev.Params[2]),
		Body: body, ContentType: &contentType, Accept: optional(a.Accept), InferenceId: sdk.String(uuid(ev.ID())),
	}, templated(a.EndpointName))
	if err != nil || a.publish == nil {
		return err
	}
	answer := ev
	answer.Params = ev.Params[modelParams:]
	if answer.Payload = out.Body; a.AnswerKey != "" {
		if answer.Payload, err = withMember(ev.Payload, a.AnswerKey, answerJSON(sdk.ToString(out.ContentType), out.Body)); err != nil {
			return actions.Permanent(err)
		}
	}
	return a.publish.Do(ctx, answer)
}

// optional is nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// body makes what is sent of a payload.
func (a *modelAction) body(payload []byte) (body []byte, contentType string, err error) {
	switch {
	case len(a.Features) > 0:
		if body, err = csvLine(payload, a.Features); err != nil {
			return nil, "", err
		}
		contentType = "text/csv"
	case len(payload) == 0:
		return nil, "", errors.New("the payload is empty")
	default:
		// net/http may still read the body when the answer is there.
		body, contentType = append([]byte(nil), payload...), "application/octet-stream"
		if json.Valid(payload) {
			contentType = "application/json"
		}
	}
	if a.ContentType != "" {
		contentType = a.ContentType
	}
	return body, contentType, nil
}

// ask asks a model.
func (s *Services) ask(ctx context.Context, role string, in *sagemakerruntime.InvokeEndpointInput, chosen bool) (*sagemakerruntime.InvokeEndpointOutput, error) {
	c, err := client(s, role, func(c sdk.Config) *sagemakerruntime.Client { return sagemakerruntime.NewFromConfig(c) })
	if err != nil {
		return nil, err
	}
	out, err := c.InvokeEndpoint(ctx, in)
	var (
		model   *types.ModelError
		invalid *types.ValidationError
	)
	switch {
	case err == nil:
		return out, nil
	case errors.As(err, &model):
		switch sdk.ToInt32(model.OriginalStatusCode) {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return nil, passes(err)
		}
	case errors.As(err, &invalid) && !chosen && strings.Contains(sdk.ToString(invalid.Message), "not found"):
		return nil, passes(err) // the endpoint is missing
	}
	return nil, judge(err, chosen)
}
