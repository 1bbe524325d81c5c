package aws_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/aws"
	"github.com/thinghub/thinghub/rules/sql"
)

// atModel returns Services whose SageMaker is this handler, and a func that ends it. A
// program would use config.LoadDefaultConfig.
func atModel(answer http.HandlerFunc) (*aws.Services, func()) {
	server := httptest.NewServer(answer)
	s, err := aws.New(aws.Config{
		SDK: sdk.Config{
			Region: "eu-central-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		},
		OptionalRole: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	return s, func() { s.Close(); server.Close() }
}

// A rule that decides by what a model says. The model takes CSV, and so the host says which
// members of the message it wants.
func ExampleServices_Externals() {
	s, end := atModel(func(w http.ResponseWriter, r *http.Request) {
		line, _ := io.ReadAll(r.Body)
		fmt.Printf("%s %s", r.URL.Path, line)
		fmt.Fprintln(w, "0.93")
	})
	defer end()
	x := s.Externals(map[string]aws.Model{"pump-failure": {Endpoint: "pumps-2026", Features: []string{"temp", "vibration"}}})

	statement, err := sql.Compile(
		`SELECT topic(2) AS pump FROM 'pump/+' WHERE machinelearning_predict('pump-failure', '', *).predictedValue > 0.9`,
		sql.Options{Externals: x})
	if err != nil {
		log.Fatal(err)
	}
	res, err := statement.Evaluate(context.Background(), &actions.Message{Topic: "pump/7", Payload: []byte(`{"vibration":0.2,"temp":81.5}`)})
	fmt.Println(res.Matched, string(res.Output), err)
	// Output:
	// /endpoints/pumps-2026/invocations 81.5,0.2
	// true {"pump":"7"} <nil>
}

// publisher prints what it is to publish. A hub is one.
type publisher struct{}

func (publisher) Publish(_ context.Context, p *actions.Publication) error {
	fmt.Println(p.Topic, string(p.Payload))
	return nil
}

// An action that asks a model and publishes the message with its answer.
func ExampleServices_SageMaker() {
	s, end := atModel(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"label":"bearing","score":0.93}`) })
	defer end()
	a, err := actions.Decode([]byte(`{"sageMaker": {
		"endpointName": "pumps-2026",
		"answerKey": "diagnosis",
		"republish": {"topic": "diagnosis/${topic(2)}", "qos": 1}
	}}`), aws.Kinds(s))
	if err != nil {
		log.Fatal(err)
	}

	// What follows is what the rules engine does.
	a, err = a.(actions.Hosted).On(actions.Host{Publisher: publisher{}})
	if err != nil {
		log.Fatal(err)
	}
	err = a.Do(context.Background(), actions.Event{
		Rule: "pumps", Payload: []byte(`{"temp":81.5}`), Params: []string{"pumps-2026", "", "", "diagnosis/7"},
		Message: &actions.Message{Topic: "pump/7", TraceID: actions.NewTraceID()},
	})
	fmt.Println(err)
	// Output:
	// diagnosis/7 {"temp":81.5,"diagnosis":{"label":"bearing","score":0.93}}
	// <nil>
}

// The actions have the JSON that AWS writes in the TopicRulePayload of a rule.
func ExampleKinds_metric() {
	s, end := atModel(http.NotFound)
	defer end()
	kinds := aws.Kinds(s)
	a, err := actions.Decode([]byte(`{"cloudwatchMetric": {
		"metricNamespace": "Pumps", "metricName": "${topic(2)}", "metricValue": "${temp}", "metricUnit": "None",
		"roleArn": "arn:aws:iam::123456789012:role/metrics"
	}}`), kinds)
	fmt.Println(a, err)

	a, err = actions.Decode([]byte(`{"cloudwatchMetric": {
		"metricNamespace": "Pumps", "metricName": "${topic(2)}", "metricValue": "${temp}", "metricUnit": "Celsius"
	}}`), kinds)
	fmt.Println(a != nil, err)

	a, err = actions.Decode([]byte(`{"cloudwatchMetric": {
		"metricNamespace": "Pumps", "metricName": "${topic(2)}", "metricValue": "${temp}", "metricUnit": "None"
	}}`), kinds)
	fmt.Println(a.(actions.Batcher).Batch().Events, err)
	// Output:
	// <nil> cloudwatchMetric: roleArn is "arn:aws:iam::123456789012:role/metrics", expected a role that the host has credentials for (aws.Config.Roles)
	// false cloudwatchMetric: metricUnit is "Celsius", expected a unit such as Seconds, Bytes, Percent, Count/Second or None
	// 1000 <nil>
}
