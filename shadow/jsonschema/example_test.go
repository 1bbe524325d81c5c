package jsonschema_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/shadow"
	"github.com/thinghub/thinghub/shadow/jsonschema"
)

// Pumps may report certain members only, and nobody can want them to be too hot. What is
// a pump the registry knows.
func Example() {
	var hub *thinghub.Hub
	validator, err := jsonschema.New(jsonschema.Config{
		Schemas: []jsonschema.Schema{
			{
				Name: "pump", Types: []string{"pump", "pump-*"}, Shadows: []string{""}, Part: jsonschema.Reported,
				JSON: []byte(`{"properties": {"temp": {"$ref": "celsius"}}, "additionalProperties": false}`),
			},
			{
				Name: "wishes", Types: []string{"pump", "pump-*"}, Part: jsonschema.Desired,
				JSON: []byte(`{"properties": {"temp": {"$ref": "celsius", "maximum": 90}}}`),
			},
		},
		Definitions: map[string][]byte{"celsius": []byte(`{"type": "number", "minimum": -273.15, "maximum": 1000}`)},
		TypeOf: func(ctx context.Context, thing string) (string, error) {
			is, err := hub.Registry().DescribeThing(ctx, thing)
			if errors.Is(err, registry.ErrNotFound) {
				return "", nil
			}
			return is.Type, err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	hub, err = thinghub.New(thinghub.Config{ShadowConfig: shadow.Config{Validators: []shadow.Validator{validator}}})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()

	ctx := context.Background()
	if _, err := hub.Registry().CreateThingType(ctx, "pump", registry.TypeProperties{}, nil); err != nil {
		log.Fatal(err)
	}
	if _, err := hub.Registry().CreateThing(ctx, registry.CreateThingInput{Name: "p1", Type: "pump"}); err != nil {
		log.Fatal(err)
	}
	for _, request := range []string{
		`{"state": {"desired": {"temp": 80}}}`,
		`{"state": {"desired": {"temp": 95}}}`,
		`{"state": {"reported": {"temp": "hot", "tmep": 1}}}`,
	} {
		accepted, err := hub.Shadows().Update(ctx, shadow.Key{Thing: "p1"}, []byte(request), shadow.Requester{})
		if refused, ok := errors.AsType[*shadow.Error](err); ok {
			fmt.Println(refused.Code, refused.Message)
			continue
		}
		fmt.Println("version", accepted.Version)
	}
	// Output:
	// version 1
	// 400 /desired/temp is 95, expected at most 90 (schema "wishes")
	// 400 /reported/temp is "hot", expected a number; /reported/tmep is 1, expected no such member (schema "pump")
}

// What a stricter schema would refuse is better known before it comes into force.
func ExampleValidator_Validate() {
	shadows, err := shadow.New(shadow.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for thing, request := range map[string]string{
		"pump-1": `{"state": {"reported": {"temp": 20}}}`,
		"pump-2": `{"state": {"reported": {"temp": "cold"}}}`,
	} {
		if _, err := shadows.Update(ctx, shadow.Key{Thing: thing}, []byte(request), shadow.Requester{}); err != nil {
			log.Fatal(err)
		}
	}
	stricter, err := jsonschema.New(jsonschema.Config{Schemas: []jsonschema.Schema{{
		Name: "temp", Part: jsonschema.Reported, JSON: []byte(`{"properties": {"temp": {"type": "number"}}}`),
	}}})
	if err != nil {
		log.Fatal(err)
	}
	for key, err := range shadows.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		is, err := shadows.Get(ctx, key, shadow.Requester{})
		if errors.Is(err, shadow.ErrNotFound) {
			continue // deleted meanwhile
		} else if err != nil {
			log.Fatal(err)
		}
		if err := stricter.Validate(ctx, key, is.AppendState(nil)); err != nil {
			fmt.Println(key, err)
		}
	}
	// Output:
	// pump-2 shadow: 400 /reported/temp is "cold", expected a number (schema "temp")
}
