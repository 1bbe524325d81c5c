package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamo "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/servertest"
	"github.com/thinghub/thinghub/rules/sql"
)

// evaluate returns what a statement makes of a message, with Externals.
func evaluate(tb testing.TB, x sql.Externals, statement, payload string) (string, error) {
	tb.Helper()
	s, err := sql.Compile(statement, sql.Options{Externals: x})
	require.NoError(tb, err)
	res, err := s.Evaluate(context.Background(), &actions.Message{Topic: "pump/7", Payload: []byte(payload)})
	return string(res.Output), err
}

func TestPredict(t *testing.T) {
	const statement = `SELECT machinelearning_predict('pumps', '` + testRole + `', *) AS p FROM 'pump/+'`
	const payload = `{"temp": 21.50, "on": true, "name": "north", "id": "007", "number": "12"}`
	for name, c := range map[string]struct {
		model       Model
		target      string
		sent        string
		contentType string
		answerType  string
		answer      string
		want        string
	}{
		"JSON": {
			target: "/endpoints/pumps/invocations", contentType: "application/json", sent: `{"temp":21.50,"on":true,"name":"north","id":"007","number":12}`,
			answerType: "application/json", answer: `{"predictedLabel": "1", "details": {"a": 1}}`, want: `{"p":{"predictedLabel":"1","details":{"a":1}}}`,
		},
		"texts": {
			model:  Model{Endpoint: "other", Texts: true, TargetModel: "m"},
			target: "/endpoints/other/invocations", contentType: "application/json", sent: `{"temp":"21.50","on":"true","name":"north","id":"007","number":"12"}`,
			answerType: "application/json", answer: `[0.25, 0.75]`, want: `{"p":{"predictedScores":{"0":0.25,"1":0.75}}}`,
		},
		"CSV": {
			model:  Model{Features: []string{"number", "temp"}, Accept: "text/csv"},
			target: "/endpoints/pumps/invocations", contentType: "text/csv", sent: "12,21.50\n",
			answerType: "text/csv", answer: "0.93\n", want: `{"p":{"predictedValue":0.93}}`,
		},
		"CSV with scores": {
			model:  Model{Features: []string{"name"}},
			target: "/endpoints/pumps/invocations", contentType: "text/csv", sent: "north\n",
			answerType: "text/csv; charset=utf-8", answer: "0.1, 0.9\n", want: `{"p":{"predictedScores":{"0":0.1,"1":0.9}}}`,
		},
		"label": {
			target: "/endpoints/pumps/invocations", contentType: "application/json", sent: `{"temp":21.50,"on":true,"name":"north","id":"007","number":12}`,
			answerType: "text/csv", answer: "broken", want: `{"p":{"predictedLabel":"broken"}}`,
		},
		"one value in an array": {
			target: "/endpoints/pumps/invocations", contentType: "application/json", sent: `{"temp":21.50,"on":true,"name":"north","id":"007","number":12}`,
			answerType: "application/json", answer: "[-1e3]", want: `{"p":{"predictedValue":-1e3}}`,
		},
		"by functions": {
			model: Model{
				Body: func(record []byte) ([]byte, string, error) {
					return []byte(`{"instances":[` + string(record) + `]}`), "application/jsonlines", nil
				},
				Answer: func(contentType string, body []byte) ([]byte, error) {
					return []byte(`{"type":"` + contentType + `","n":` + string(body) + `}`), nil
				},
			},
			target: "/endpoints/pumps/invocations", contentType: "application/jsonlines",
			sent:       `{"instances":[{"temp":"21.50","on":"true","name":"north","id":"007","number":"12"}]}`,
			answerType: "text/plain", answer: "3", want: `{"p":{"type":"text/plain","n":3}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := model(t, c.answerType, c.answer)
			x := open(t, f.url, nil).Externals(map[string]Model{"pumps": c.model})
			got, err := evaluate(t, x, statement, payload)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			r := f.only(t)
			require.Equal(t, c.target, r.URL.Path)
			require.Equal(t, c.contentType, r.Header.Get("Content-Type"))
			require.Equal(t, c.sent, string(r.body))
			require.Equal(t, c.model.Accept, r.Header.Get("Accept"))
			require.Equal(t, c.model.TargetModel, r.Header.Get("X-Amzn-Sagemaker-Target-Model"))
		})
	}

	t.Run("failures", func(t *testing.T) {
		x := open(t, answers(t, 500, "").url, nil).Externals(map[string]Model{
			"a/b": {}, "csv": {Features: []string{"missing"}}, "body": {Body: func([]byte) ([]byte, string, error) { return nil, "", errors.New("no body") }},
		})
		for statement, expected := range map[string]string{
			`machinelearning_predict('pumps', '` + testRole + `', *)`:      "SageMaker Runtime InvokeEndpoint",
			`machinelearning_predict('pumps', '', *)`:                      "the role is an empty text",
			`machinelearning_predict('pumps', 'arn:aws:iam::1:role/x', *)`: "expected a role that the host has credentials for",
			`machinelearning_predict('a/b', '` + testRole + `', *)`:        `endpointName is "a/b"`,
			`machinelearning_predict('csv', '` + testRole + `', *)`:        `no member "missing"`,
			`machinelearning_predict('body', '` + testRole + `', *)`:       "no body",
		} {
			_, err := evaluate(t, x, "SELECT "+statement+" AS p FROM 'pump/+'", payload)
			require.ErrorIs(t, err, sql.ErrCall)
			require.ErrorContains(t, err, expected)
		}
	})
	t.Run("moto", func(t *testing.T) {
		x := open(t, servertest.Moto(t), nil).Externals(nil)
		got, err := evaluate(t, x, strings.Replace(statement, "pumps", "canned", 1), payload)
		require.NoError(t, err)
		require.Equal(t, `{"p":{"predictedLabel":"body"}}`, got, "what moto always answers")
	})
}

func TestInvokeLambda(t *testing.T) {
	const statement = `SELECT aws_lambda('` + testFunction + `', *).n AS n FROM 'pump/+'`
	got, err := evaluate(t, open(t, servertest.Moto(t), nil).Externals(nil), statement, `{"n":12345678901234567890}`)
	require.NoError(t, err)
	require.Equal(t, `{"n":12345678901234567890}`, got, "moto answers what was sent")

	f := newFront(t, func(w http.ResponseWriter, r request) {
		if strings.Contains(string(r.body), "fail") {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			_, _ = io.WriteString(w, `{"errorType":"ValueError","errorMessage":"not this one"}`)
			return
		}
		_, _ = io.WriteString(w, `{"n":1}`)
	})
	x := open(t, f.url, nil).Externals(nil)
	got, err = evaluate(t, x, statement, `{}`)
	require.NoError(t, err)
	require.Equal(t, `{"n":1}`, got)
	require.Equal(t, "RequestResponse", f.only(t).Header.Get("X-Amz-Invocation-Type"))
	_, err = evaluate(t, x, statement, `{"fail":1}`)
	require.ErrorContains(t, err, "aws_lambda: the function failed: ValueError: not this one")
	_, err = evaluate(t, x, `SELECT aws_lambda('alert', *) AS n FROM 'pump/+'`, `{}`)
	require.ErrorContains(t, err, `functionArn is "alert", expected the ARN of a function`)
}

func TestReadItem(t *testing.T) {
	url := servertest.Moto(t)
	c := dynamodb.NewFromConfig(sdkConfig(url))
	table := unique(t)
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: dynamo.BillingModePayPerRequest,
		AttributeDefinitions: []dynamo.AttributeDefinition{
			{AttributeName: sdk.String("device"), AttributeType: dynamo.ScalarAttributeTypeS}, {AttributeName: sdk.String("at"), AttributeType: dynamo.ScalarAttributeTypeN},
		},
		KeySchema: []dynamo.KeySchemaElement{
			{AttributeName: sdk.String("device"), KeyType: dynamo.KeyTypeHash}, {AttributeName: sdk.String("at"), KeyType: dynamo.KeyTypeRange},
		},
	})
	require.NoError(t, err)
	n := func(text string) dynamo.AttributeValue { return &dynamo.AttributeValueMemberN{Value: text} }
	text := func(text string) dynamo.AttributeValue { return &dynamo.AttributeValueMemberS{Value: text} }
	_, err = c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]dynamo.AttributeValue{
		"device": text("7"), "at": n("12345678901234567890"), "temp": n("21.50"), "text": text(`<"ü">`), "on": &dynamo.AttributeValueMemberBOOL{Value: true},
		"none": &dynamo.AttributeValueMemberNULL{Value: true}, "raw": &dynamo.AttributeValueMemberB{Value: []byte{0xff}},
		"list":  &dynamo.AttributeValueMemberL{Value: []dynamo.AttributeValue{n("1"), text("a"), &dynamo.AttributeValueMemberL{}}},
		"map":   &dynamo.AttributeValueMemberM{Value: map[string]dynamo.AttributeValue{"b": n("2"), "a": &dynamo.AttributeValueMemberM{}}},
		"texts": &dynamo.AttributeValueMemberSS{Value: []string{"a"}}, "numbers": &dynamo.AttributeValueMemberNS{Value: []string{"1"}},
		"raws": &dynamo.AttributeValueMemberBS{Value: [][]byte{{1}}},
	}})
	require.NoError(t, err)
	x := open(t, url, nil).Externals(nil)
	read := func(key string) string {
		return `SELECT get_dynamodb('` + table + `', 'device', ` + key + `, '` + testRole + `') AS item FROM 'pump/+'`
	}
	got, err := evaluate(t, x, read("topic(2), 'at', at"), `{"at":12345678901234567890}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"item":{"at":12345678901234567890,"device":"7","list":[1,"a",[]],"map":{"a":{},"b":2},"none":null,"numbers":[1],"on":true,"raw":"/w==","raws":["AQ=="],"temp":21.50,"text":"<\"ü\">","texts":["a"]}}`, got)
	require.Contains(t, got, `"at":12345678901234567890,`)
	require.Contains(t, got, `"temp":21.5`)

	got, err = evaluate(t, x, read("topic(2), 'at', at"), `{"at":1}`)
	require.NoError(t, err)
	require.Equal(t, `{}`, got, "there is no such item")
	_, err = evaluate(t, x, read("topic(2)"), `{}`)
	require.ErrorContains(t, err, "DynamoDB GetItem: ValidationException")
	_, err = evaluate(t, x, read("topic(2), 'at', on"), `{"on":true}`)
	require.ErrorContains(t, err, `the key "at" is "true", expected a text or a number`)
	_, err = evaluate(t, x, strings.Replace(read("'7', 'at', 1"), testRole, "", 1), `{}`)
	require.ErrorContains(t, err, "the role is an empty text")

	require.Equal(t, `1E+130`, string(appendNumber(nil, "1E+130")))
	require.Equal(t, `"Infinity"`, string(appendNumber(nil, "Infinity")))
}
