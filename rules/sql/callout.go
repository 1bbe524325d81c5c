package sql

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
)

// A callSet is which functions that call out a statement has.
type callSet uint8

const (
	callLambda callSet = 1 << iota
	callPredictor
	callProto
	callSecrets
	callShadows
	callTables
	callThings
)

// A callError is the failure of one function that calls out.
type callError struct {
	function string
	err      error
}

func (e *callError) Error() string   { return fmt.Sprintf("sql: %s: %v", e.function, e.err) }
func (e *callError) Unwrap() []error { return []error{ErrCall, e.err} }

// external checks that a function that calls out may be used, and has what it stands
// on.
func (c *compiler) external(n *call, calls callSet) {
	if c.options.NoExternals {
		c.fail(n.at(), "%s calls out, which is not possible here", n.name)
	}
	x := &c.options.Externals
	there := map[callSet]bool{
		callLambda: x.Lambda != nil, callPredictor: x.Predictor != nil, callProto: x.Proto != nil, callSecrets: x.Secrets != nil,
		callShadows: x.Shadows != nil, callTables: x.Tables != nil, callThings: x.Things != nil,
	}
	if !there[calls] {
		c.fail(n.at(), "%s is not possible here: this hub has nothing to call", n.name)
	}
	if calls == callTables && c.calls&callTables != 0 {
		c.fail(n.at(), "found a second %s, a statement may have one", n.name)
	}
	c.calls |= calls
}

var _ = register(map[string]*builtin{
	"aws_lambda":              {min: 2, max: 2, star: true, calls: callLambda, f2: awsLambda},
	"machinelearning_predict": {min: 3, max: 3, star: true, calls: callPredictor, f3: predict},
	"get_dynamodb":            {min: 4, max: 6, since2016: true, calls: callTables, fn: getDynamoDB, check: checkDynamoDB},
	"get_secret":              {min: 3, max: 4, calls: callSecrets, fn: getSecret, check: checkSecret},
	"get_thing_shadow":        {min: 2, max: 3, since2016: true, calls: callShadows, fn: getThingShadow},
	"get_registry_data":       {min: 3, max: 3, since2016: true, calls: callThings, f3: getRegistryData, check: checkRegistryData},
})

// outside runs a call within its time.
func (r *Run) outside(function string, f func(ctx context.Context) ([]byte, error)) Value {
	ctx, cancel := context.WithTimeout(r.context(), r.stmt.limits.Timeout)
	defer cancel()
	out, err := guarded(func() ([]byte, error) { return f(ctx) })
	if err != nil {
		return r.fail(&callError{function, err})
	}
	return r.answer(function, out)
}

// guarded calls code of the host's. A panic fails the call and no more: what goes on in
// the run stays in order.
func guarded(f func() ([]byte, error)) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// answer makes a value of JSON from outside; nil is Undefined.
func (r *Run) answer(function string, out []byte) Value {
	if len(out) == 0 {
		return undefined
	}
	if !r.validJSON(view(out)) {
		return r.fail(&callError{function, fmt.Errorf("the answer is not JSON: %s", clip(string(out)))})
	}
	from := r.arena.mark()
	r.arena.bytes = appendCompact(r.arena.bytes, view(out))
	return r.ofJSON(r.arena.since(from), r.whole)
}

func awsLambda(r *Run, function, input Value) Value {
	if function.kind != String || input.kind == Undefined {
		return undefined
	}
	return r.outside("aws_lambda", func(ctx context.Context) ([]byte, error) {
		return r.stmt.limits.Lambda.InvokeLambda(ctx, function.s, input.appendJSON(nil))
	})
}

func predict(r *Run, model, role, record Value) Value {
	if model.kind != String || record.kind != Object {
		return undefined
	}
	b := []byte{'{'}
	for k, v := range members(record.s) {
		s, ok := r.toText(r.ofJSON(v, r.whole))
		if !ok {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendQuoted(append(append(b, k...), ':'), s)
	}
	b = append(b, '}')
	return r.outside("machinelearning_predict", func(ctx context.Context) ([]byte, error) {
		return r.stmt.limits.Predictor.Predict(ctx, model.s, role.s, b)
	})
}

func checkDynamoDB(c *compiler, n *call) {
	if len(n.args) == 5 {
		c.fail(n.at(), "get_dynamodb has 5 arguments, expected 4, or 6 with a sort key")
	}
}

func getDynamoDB(r *Run, args []Value) Value {
	for i := range args {
		if args[i].kind == Undefined {
			return undefined
		}
	}
	partition := TableKey{args[1].s, args[2].appendJSON(nil)}
	var sort TableKey
	if len(args) == 6 {
		sort = TableKey{args[3].s, args[4].appendJSON(nil)}
	}
	table, role := args[0].s, args[len(args)-1].s
	return r.outside("get_dynamodb", func(ctx context.Context) ([]byte, error) {
		return r.stmt.limits.Tables.ReadItem(ctx, table, partition, sort, role)
	})
}

const wantSecretType = "SecretString or SecretBinary"

func checkSecret(c *compiler, n *call) {
	if l, ok := n.args[1].(*literal); ok && l.value.s != "SecretString" && l.value.s != "SecretBinary" {
		c.fail(l.at(), "the type of a secret is %q, expected %s", l.value.s, wantSecretType)
	}
}

func getSecret(r *Run, args []Value) Value {
	id, kind, role := args[0], args[1].s, args[len(args)-1]
	if id.kind != String {
		return undefined
	}
	binary := kind == "SecretBinary"
	key, keyed := Value{}, len(args) == 4
	if keyed {
		key = args[2]
	}
	var secret []byte
	failed := r.outside("get_secret", func(ctx context.Context) (_ []byte, err error) {
		if !binary && kind != "SecretString" {
			return nil, fmt.Errorf("the type of a secret is %q, expected %s", kind, wantSecretType)
		}
		if binary && keyed {
			return nil, errors.New("a binary secret has no keys")
		}
		secret, err = r.stmt.limits.Secrets.ReadSecret(ctx, id.s, role.s, binary)
		return nil, err
	})
	switch {
	case r.err != nil:
		return failed
	case binary:
		return text(r.base64(secret))
	case r.validJSON(view(secret)) && secret[space(view(secret), 0)] == '{':
		v := r.answer("get_secret", secret)
		if keyed {
			return r.member(v, key.s)
		}
		return v
	case keyed:
		return r.fail(&callError{"get_secret", errors.New("the secret is not a JSON object, and so has no keys")})
	}
	return text(r.arena.copy(secret))
}

func getThingShadow(r *Run, args []Value) Value {
	thing, name := args[0], Value{kind: String}
	if len(args) == 3 {
		name = args[1]
	}
	if thing.kind != String || name.kind != String {
		return undefined
	}
	return r.outside("get_thing_shadow", func(ctx context.Context) ([]byte, error) {
		return r.stmt.limits.Shadows.ReadShadow(ctx, thing.s, name.s, args[len(args)-1].s)
	})
}

const wantRegistry = "DescribeThing or ListThingGroupsForThing"

func checkRegistryData(c *compiler, n *call) {
	if api := c.constant(n, 0, wantRegistry); api != "DescribeThing" && api != "ListThingGroupsForThing" {
		c.fail(n.args[0].at(), "the operation of get_registry_data is %q, expected %s", clip(api), wantRegistry)
	}
}

func getRegistryData(r *Run, api, thing, role Value) Value {
	if thing.kind != String {
		return undefined
	}
	return r.outside("get_registry_data", func(ctx context.Context) ([]byte, error) {
		return r.stmt.limits.Things.ReadRegistry(ctx, api.s, thing.s, role.s)
	})
}

// base64 returns bytes as base64 text.
func (r *Run) base64(b []byte) string {
	from := r.arena.mark()
	r.arena.bytes = base64.StdEncoding.AppendEncode(r.arena.bytes, b)
	return r.arena.since(from)
}
