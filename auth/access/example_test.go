package access_test

import (
	"context"
	"fmt"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
)

// A policy decides, and says why.
func Example() {
	s, err := access.New(access.Config{})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	_, err = s.CreatePolicy(ctx, "pump", `{
		"Version": "2012-10-17",
		"Statement": [{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "arn:aws:iot:local:000000000000:topic/cmd/${iot:ClientId}/*"}]
	}`)
	if err != nil {
		panic(err)
	}
	pump := &auth.Identity{Principal: "pump-1"}
	if err := s.AttachPolicy(ctx, "pump", pump.Principal); err != nil {
		panic(err)
	}
	session, err := s.Open(ctx, pump, &auth.Conn{ClientID: "pump-1"})
	if err != nil {
		panic(err)
	}
	defer session.Close()
	fmt.Println(session.Allow(auth.Subscribe, "cmd/pump-1/#"))
	// Output: auth: iot:Subscribe on "cmd/pump-1/#" is denied: no statement allows iot:Subscribe on topicfilter/cmd/pump-1/#; policy "pump" Statement[0] allows topic/cmd/pump-1/#, iot:Subscribe needs topicfilter/
}

// On a hub it is hub.Policies() that is asked, while its clients do what they do.
func ExampleService_StartCoverage() {
	s, err := access.New(access.Config{})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	_, err = s.CreatePolicy(ctx, "pump", `{
		"Version": "2012-10-17",
		"Statement": [
			{"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:local:000000000000:topic/dt/${iot:ClientId}/*"},
			{"Sid": "Old", "Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:local:000000000000:topic/telemetry/*"}
		]
	}`)
	if err != nil {
		panic(err)
	}
	pump := &auth.Identity{Principal: "pump-1"}
	if err := s.AttachPolicy(ctx, "pump", pump.Principal); err != nil {
		panic(err)
	}
	session, err := s.Open(ctx, pump, &auth.Conn{ClientID: "pump-1"})
	if err != nil {
		panic(err)
	}
	defer session.Close()

	s.StartCoverage()
	if err := session.Allow(auth.Publish, "dt/pump-1/temp"); err != nil {
		panic(err)
	}
	coverage, err := s.Coverage(ctx)
	if err != nil {
		panic(err)
	}
	for _, statement := range coverage.Unused {
		fmt.Println(statement)
	}
	// Output: policy "pump" Statement[1] (Old)
}
