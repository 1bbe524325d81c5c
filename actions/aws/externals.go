package aws

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamo "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// A Model says how machinelearning_predict asks a model. The zero Model has the endpoint
// that is called as the statement calls the model, and sends JSON.
type Model struct {
	// Endpoint is the name of the endpoint at SageMaker.
	Endpoint string
	// Features, if there are any, are the members of the record whose values are sent, in
	// this order, as one line of CSV. Without them the record is sent as a JSON object.
	Features []string
	// Texts leaves the values of the JSON object the texts that the language makes of
	// them. Otherwise those that read as a number, true or false are sent as such.
	Texts bool
	// Body, if it is set, makes what is sent of the record, an object of texts, instead.
	Body func(record []byte) (body []byte, contentType string, err error)
	// Accept is what the answer is to be, if the model has a choice; TargetModel and
	// TargetVariant choose among those of the endpoint.
	Accept, TargetModel, TargetVariant string
	// Answer, if it is set, makes JSON of what the model answers. Otherwise a JSON object
	// stays what it is, and anything else becomes what the models of Amazon Machine
	// Learning answered: {"predictedValue": number}, {"predictedLabel": text} or
	// {"predictedScores": {"0": number, ...}}.
	Answer func(contentType string, body []byte) ([]byte, error)
}

// Externals are what functions of the rule language stand on, for rules.Config.Externals:
// aws_lambda, get_dynamodb and machinelearning_predict, the last with models by the names
// that statements call them by; one that is not among them is a zero Model. What a host
// does not want, or has something else for, it sets anew.
//
// get_dynamodb and machinelearning_predict have the credentials of the role that they are
// given; aws_lambda, which has none, those of the host. None of them tries twice: the
// publisher's message waits.
func (s *Services) Externals(models map[string]Model) sql.Externals {
	x := externals{s, maps.Clone(models)}
	return sql.Externals{Lambda: x, Predictor: x, Tables: x}
}

type externals struct {
	services *Services
	models   map[string]Model
}

// checkRole refuses a function that was given no role, where roles are needed.
func (x externals) checkRole(role string) error {
	if role == "" && !x.services.cfg.OptionalRole {
		return errors.New("the role is an empty text, expected its ARN")
	}
	return nil
}

// InvokeLambda calls a function and waits for its answer.
func (x externals) InvokeLambda(ctx context.Context, function string, input []byte) ([]byte, error) {
	out, err := x.services.invoke(ctx, "", function, lambdatypes.InvocationTypeRequestResponse, input)
	if err != nil {
		return nil, judge(err, false)
	}
	return out.Payload, functionError(out)
}

// Predict asks a model at SageMaker.
func (x externals) Predict(ctx context.Context, model, role string, record []byte) ([]byte, error) {
	m := x.models[model]
	if m.Endpoint == "" {
		m.Endpoint = model
	}
	if err := errors.Join(x.checkRole(role), checkModel("endpointName", m.Endpoint)); err != nil {
		return nil, err
	}
	body, contentType, err := m.body(record)
	if err != nil {
		return nil, err
	}
	out, err := x.services.ask(ctx, role, &sagemakerruntime.InvokeEndpointInput{
		EndpointName: &m.Endpoint, TargetModel: optional(m.TargetModel), TargetVariant: optional(m.TargetVariant),
		Body: body, ContentType: &contentType, Accept: optional(m.Accept),
	}, false)
	if err != nil {
		return nil, err
	}
	if m.Answer != nil {
		return m.Answer(sdk.ToString(out.ContentType), out.Body)
	}
	return predicted(answerJSON(sdk.ToString(out.ContentType), out.Body)), nil
}

// body makes what is sent of a record.
func (m Model) body(record []byte) (body []byte, contentType string, err error) {
	switch {
	case m.Body != nil:
		return m.Body(record)
	case len(m.Features) > 0:
		body, err = csvLine(record, m.Features)
		return body, "text/csv", err
	case m.Texts:
		return append([]byte(nil), record...), "application/json", nil
	}
	members, err := objectMembers(record)
	if err != nil {
		return nil, "", err
	}
	body = []byte{'{'}
	for i, r := range members {
		var text string
		if json.Unmarshal(r.value, &text) == nil && (isNumber(text) || text == "true" || text == "false") {
			r.value = json.RawMessage(text)
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(append(body, quoted(r.name)...), ':'), r.value...)
	}
	return append(body, '}'), "application/json", nil
}

// predicted makes an answer of the form that Amazon Machine Learning had.
func predicted(answer json.RawMessage) []byte {
	var values []json.RawMessage
	switch answer[0] {
	case '{', 'n':
		return answer
	case '[':
		_ = json.Unmarshal(answer, &values) // it is valid
		if len(values) == 1 && values[0][0] != '[' {
			return predicted(values[0])
		}
		b := []byte(`{"predictedScores":{`)
		for i, v := range values {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(append(b, '"'), int64(i), 10)
			b = append(append(b, `":`...), v...)
		}
		return append(b, "}}"...)
	case '"', 't', 'f':
		return fmt.Appendf(nil, `{"predictedLabel":%s}`, answer)
	}
	return fmt.Appendf(nil, `{"predictedValue":%s}`, answer)
}

// ReadItem reads an item of a table.
func (x externals) ReadItem(ctx context.Context, table string, partition, sort sql.TableKey, role string) ([]byte, error) {
	if err := x.checkRole(role); err != nil {
		return nil, err
	}
	key := map[string]dynamo.AttributeValue{}
	for _, k := range [...]sql.TableKey{partition, sort} {
		if k.Name == "" && k.Value == nil {
			continue
		}
		v, err := keyValue(k)
		if err != nil {
			return nil, err
		}
		key[k.Name] = v
	}
	c, err := client(x.services, role, func(c sdk.Config) *dynamodb.Client { return dynamodb.NewFromConfig(c) })
	if err != nil {
		return nil, err
	}
	out, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key})
	if err != nil {
		return nil, judge(err, false)
	}
	if out.Item == nil {
		return nil, nil
	}
	return appendItem(nil, out.Item), nil
}

// keyValue makes a key of a text or a number.
func keyValue(k sql.TableKey) (dynamo.AttributeValue, error) {
	var text string
	switch {
	case len(k.Value) > 0 && k.Value[0] == '"' && json.Unmarshal(k.Value, &text) == nil:
		return &dynamo.AttributeValueMemberS{Value: text}, nil
	case isNumber(string(k.Value)):
		return &dynamo.AttributeValueMemberN{Value: string(k.Value)}, nil
	}
	return nil, actions.Permanent(actions.WrongField("the key "+strconv.Quote(clip(k.Name, maxText)), string(k.Value), "a text or a number"))
}

// appendItem appends an item as plain JSON: numbers with all their digits, bytes as base64,
// sets as arrays.
func appendItem(b []byte, item map[string]dynamo.AttributeValue) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(item)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, quoted(name)...), ':')
		b = appendAttribute(b, item[name])
	}
	return append(b, '}')
}

func appendAttribute(b []byte, v dynamo.AttributeValue) []byte {
	switch v := v.(type) {
	case *dynamo.AttributeValueMemberS:
		return append(b, quoted(v.Value)...)
	case *dynamo.AttributeValueMemberN:
		return appendNumber(b, v.Value)
	case *dynamo.AttributeValueMemberBOOL:
		return strconv.AppendBool(b, v.Value)
	case *dynamo.AttributeValueMemberM:
		return appendItem(b, v.Value)
	case *dynamo.AttributeValueMemberL:
		return appendArray(b, v.Value, appendAttribute)
	case *dynamo.AttributeValueMemberB:
		return appendBytes(b, v.Value)
	case *dynamo.AttributeValueMemberSS:
		return appendArray(b, v.Value, func(b []byte, s string) []byte { return append(b, quoted(s)...) })
	case *dynamo.AttributeValueMemberNS:
		return appendArray(b, v.Value, appendNumber)
	case *dynamo.AttributeValueMemberBS:
		return appendArray(b, v.Value, appendBytes)
	}
	return append(b, "null"...)
}

func appendArray[E any](b []byte, items []E, one func(b []byte, item E) []byte) []byte {
	b = append(b, '[')
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, item)
	}
	return append(b, ']')
}

// appendNumber appends a number as the table writes it, or as a text if that is no JSON.
func appendNumber(b []byte, text string) []byte {
	if json.Valid([]byte(text)) {
		return append(b, text...)
	}
	return append(b, quoted(text)...)
}

func appendBytes(b []byte, data []byte) []byte {
	return append(b, quoted(base64.StdEncoding.EncodeToString(data))...)
}
