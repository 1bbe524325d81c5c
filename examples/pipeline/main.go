// Pipeline brings what devices publish into real systems: a rule writes each reading into
// PostgreSQL and into an object of S3.
//
//	createdb plant
//	psql plant -c 'CREATE TABLE readings (id text PRIMARY KEY, device text, celsius double precision, at timestamptz)'
//	go run ./examples/pipeline -postgres postgres:///plant -bucket readings
//	mosquitto_pub -t dt/pump-1/temp -m '{"celsius": 81.5}'
//	psql plant -c 'SELECT * FROM readings'
//
// Credentials of AWS are taken from where its tools have them. With -s3 the bucket is one
// of any server that speaks S3. A database that is down holds up nothing: messages wait,
// and /healthz says so. What can never be written goes to pipeline-errors/readings.jsonl.
//
// Everybody may connect and do everything, so it listens on the loopback interface; see
// examples/securefleet for devices with certificates and policies.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/aws"
	"github.com/thinghub/thinghub/actions/postgres"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/rules"
)

// rule is a TopicRulePayload of AWS. A UUID is made once for each message and action and
// stays over retries, so what is written again changes nothing, in the table as in the bucket.
const rule = `{
	"sql": "SELECT celsius FROM 'dt/+/temp' WHERE celsius > -273.15",
	"awsIotSqlVersion": "2016-03-23",
	"actions": [
		{"postgres": {"table": "readings", "onConflict": "nothing", "key": ["id"],
			"columns": {"id": "${newuuid()}", "device": "${topic(2)}", "celsius": "$payload.celsius", "at": "${timestamp()}"}}},
		{"s3": {"bucketName": %q, "key": "${topic(2)}/${newuuid()}.json", "roleArn": "arn:aws:iam::000000000000:role/pipeline"}}
	],
	"errorAction": {"file": {"path": "readings.jsonl"}},
	"delivery": {"queue": 100000, "queueBytes": 268435456}
}`

// options are those of the command line.
type options struct {
	mqtt, http          string
	postgres            string
	bucket, s3, region  string
	errors              string
	database, warehouse actions.SinkConfig // how soon they count as down; tests are in a hurry
}

func main() {
	var o options
	flag.StringVar(&o.mqtt, "mqtt", "127.0.0.1:1883", "loopback `address` for MQTT clients")
	flag.StringVar(&o.http, "http", "127.0.0.1:8080", "loopback `address` for /healthz")
	flag.StringVar(&o.postgres, "postgres", "", "`DSN` of the database, postgres://user:password@host/database")
	flag.StringVar(&o.bucket, "bucket", "", "`name` of the bucket")
	flag.StringVar(&o.s3, "s3", "", "`URL` of another server than AWS that speaks S3")
	flag.StringVar(&o.region, "region", "eu-central-1", "`region` of the bucket")
	flag.StringVar(&o.errors, "errors", "pipeline-errors", "`folder` for what cannot be written")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, func(mqtt, http string) { fmt.Printf("MQTT on %s, http://%s/healthz\n", mqtt, http) }); err != nil {
		fmt.Fprintln(os.Stderr, "pipeline:", err)
		os.Exit(1)
	}
}

// run has a hub until ctx ends. It says where the hub listens.
func run(ctx context.Context, o options, listens func(mqtt, http string)) error {
	if o.postgres == "" || o.bucket == "" {
		return errors.New("-postgres and -bucket are missing, expected a database and a bucket")
	}
	// The clients connect when the first message comes, so nothing need be up yet.
	database, err := postgres.Open(postgres.Config{DSN: o.postgres, Sink: o.database})
	if err != nil {
		return err
	}
	defer database.Close()
	sdk, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.region))
	if err != nil {
		return err
	}
	if o.s3 != "" {
		sdk.BaseEndpoint = &o.s3
	}
	cloud, err := aws.New(aws.Config{SDK: sdk, Role: aws.HostRole(sdk), S3PathStyle: o.s3 != "", Sink: o.warehouse})
	if err != nil {
		return err
	}
	defer cloud.Close()

	hub, err := thinghub.New(thinghub.Config{
		Authenticator: auth.InsecureAllowAll{}, // who is it? anybody
		Authorizer:    auth.InsecureAllowAll{}, // what may they do? everything
		RuleConfig: rules.Config{
			Kinds: actions.Merge(postgres.Kinds(database), aws.Kinds(cloud)), // what rules may do beside what is built in
			Files: o.errors,
		},
	})
	if err != nil {
		return err
	}
	defer hub.Close()
	readings, err := hub.Rules().DecodeRule("readings", fmt.Appendf(nil, rule, o.bucket))
	if err != nil {
		return err
	}
	if err := hub.Rules().Put(ctx, readings); err != nil {
		return err
	}

	devices, err := net.Listen("tcp", o.mqtt)
	if err != nil {
		return err
	}
	go func() { _ = hub.Serve(devices) }() // ends with the hub
	admin, err := net.Listen("tcp", o.http)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, hub) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(admin) }()
	defer server.Close()
	listens(devices.Addr().String(), admin.Addr().String())

	<-ctx.Done()
	drained, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return hub.Shutdown(drained) // what waits is written first
}

// health tells how the sinks are, and how much waits for them.
func health(w http.ResponseWriter, hub *thinghub.Hub) {
	type sink struct {
		Sink  string `json:"sink"`
		Down  bool   `json:"down"`
		Error string `json:"error,omitempty"`
		Taken uint64 `json:"taken"`
	}
	m := hub.Rules().Metrics()
	report := struct {
		Sinks  []sink `json:"sinks"`
		Queued int    `json:"queued"`
	}{Queued: m.Rules["readings"].Queued}
	status := http.StatusOK
	for _, s := range m.Sinks {
		one := sink{Sink: s.Kind + " " + s.Name, Down: s.Down, Taken: s.Events}
		if s.Down {
			one.Error, status = s.Err.Error(), http.StatusServiceUnavailable
		}
		report.Sinks = append(report.Sinks, one)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report)
}
