// Package jsonschema checks device shadows against JSON Schemas: a [Validator] for
// shadow.Config.Validators, over github.com/santhosh-tekuri/jsonschema.
//
//	v, err := jsonschema.New(jsonschema.Config{Schemas: []jsonschema.Schema{{
//		Name: "pump", JSON: pumpSchema, Part: jsonschema.Reported, Types: []string{"pump"},
//	}}, TypeOf: typeOf})
//	hub, err := thinghub.New(thinghub.Config{ShadowConfig: shadow.Config{Validators: []shadow.Validator{v}}})
//
// It is a module of its own, so that only those compile the library in who use it.
//
// # What is checked
//
// A [Schema] is for the shadows that its Things, Types and Shadows name, and for one of
// their sides or the whole document. An update must leave a document that satisfies every
// schema that is for it. It is checked as it would be afterwards, not as the request has
// it: a member that the request does not mention is there if it was there before. A side
// without members is absent from the document; what it must have at the least is for a
// schema of the whole document to say ("required": ["reported"]), since a schema for a
// side is not asked about one that is absent. So a host can say what it wants of a device
// before the device has reported.
//
// Documents that are stored already are not checked until they are updated, and then as a
// whole: with a schema for both sides, or with one for each, what is wrong in desired
// refuses a report of the device too. Before stricter schemas come into force, ask a
// second Validator about what is stored, see the example of [Validator.Validate].
//
// # Refusals
//
// A refused update changes nothing. Whoever asked is answered with code 400 and a text
// that says where, what was found and what was expected:
//
//	/reported/temp is 120, expected at most 100 (schema "pump")
//
// The text is at most Config.MaxText bytes long. It names what is wrong first in the order
// of paths, and the rest as far as there is room. Over HTTP it is an
// InvalidRequestException.
//
// # Schemas
//
// Drafts 2020-12, 2019-09, 7, 6 and 4 are known. A schema's "$schema" says which one it is
// written in; without it, it is 2020-12. Schemas are compiled by [New] and
// [Validator.Replace], whose errors name the schema and the place in it. A "$ref" reaches
// other schemas and Config.Definitions by their names, {"$ref": "address"}, or by their
// "$id", and whatever the drafts themselves define; nothing is ever loaded from a file or
// the network. Patterns are those of package regexp: no look-ahead, and linear time.
//
// Numbers are compared exactly, however many digits they have: 9007199254740993 is not
// 9007199254740992. A number with an exponent beyond 400 (no float64 goes that far) does not
// satisfy any schema, because to expand it would take long.
//
// # Cost
//
// Validators run under the lock of the shadow that changes, once for each update. Finding
// out that no schema is for a shadow takes some 10 ns for each schema and allocates
// nothing. Checking a document of 400 bytes with a schema for most of its members takes
// about eight times as long as the update does without it, and 250 allocations: a third of
// that is decoding the document, the rest is the library's. BenchmarkUpdate tells what it
// is on your machine.
//
// Config.TypeOf runs under that lock too, if a schema has Types: a registry that has to
// ask a database makes the device and everybody else at that shadow wait for it, and
// shadow.Service.Immediate does not know of it.
package jsonschema
