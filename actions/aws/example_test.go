package aws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/aws"
	"github.com/thinghub/thinghub/rules"
)

// stream plays a data stream of Kinesis that prints what it gets.
func stream() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			StreamName string
			Records    []struct {
				PartitionKey string
				Data         []byte
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		taken := []map[string]string{}
		for _, rec := range in.Records {
			fmt.Printf("%s: %s of %s\n", in.StreamName, rec.Data, rec.PartitionKey)
			taken = append(taken, map[string]string{"SequenceNumber": "1", "ShardId": "1"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"Records": taken})
	}))
}

// A rule as AWS writes it, with the credentials of the host in the place of its role.
func Example() {
	server := stream()
	defer server.Close()
	ctx := context.Background()

	cfg, err := config.LoadDefaultConfig(ctx, // a program mostly has no more options
		config.WithRegion("eu-central-1"), config.WithBaseEndpoint(server.URL),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("key", "secret", "")))
	if err != nil {
		log.Fatal(err)
	}
	services, err := aws.New(aws.Config{
		SDK:   cfg,
		Roles: map[string]sdk.CredentialsProvider{"arn:aws:iam::123456789012:role/rules": cfg.Credentials},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer services.Close()

	engine, err := rules.New(rules.Config{Kinds: aws.Kinds(services)})
	if err != nil {
		log.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	go func() { _ = engine.Run(running) }()
	rule, err := engine.DecodeRule("hot", []byte(`{
		"sql": "SELECT temp FROM 'dt/+/temp' WHERE temp > 80",
		"actions": [{"kinesis": {
			"roleArn": "arn:aws:iam::123456789012:role/rules", "streamName": "readings", "partitionKey": "${topic(2)}"
		}}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	if err := engine.Put(ctx, rule); err != nil {
		log.Fatal(err)
	}

	_ = engine.Submit(ctx, &actions.Message{Topic: "dt/pump-1/temp", Payload: []byte(`{"temp":81.5,"unit":"C"}`)})
	_ = engine.Shutdown(ctx) // works what was taken
	// Output:
	// readings: {"temp":81.5} of pump-1
}

// A rule in Go needs no role: it has the credentials of the host.
func ExampleServices_Kinesis() {
	server := stream()
	defer server.Close()
	services, err := aws.New(aws.Config{SDK: sdk.Config{
		Region: "eu-central-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer services.Close()
	engine, err := rules.New(rules.Config{})
	if err != nil {
		log.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = engine.Run(running) }()

	err = engine.Put(running, rules.Rule{
		Name: "all", SQL: "SELECT * FROM 'dt/#'",
		Actions: []actions.Action{services.Kinesis(aws.Kinesis{StreamName: "readings", PartitionKey: "${topic()}"})},
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = engine.Submit(running, &actions.Message{Topic: "dt/pump-1", Payload: []byte(`{"temp":20}`)})
	_ = engine.Shutdown(running)
	// Output:
	// readings: {"temp":20} of dt/pump-1
}
