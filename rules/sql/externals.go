package sql

import (
	"context"
	"time"
)

// Externals are what the functions that call out stand on, each call with a time
// limit. They are called by many goroutines.
type Externals struct {
	// Lambda is for aws_lambda.
	Lambda LambdaInvoker
	// Predictor is for machinelearning_predict.
	Predictor Predictor
	// Proto is for decode(..., 'proto', ...).
	Proto ProtoDecoder
	// Secrets is for get_secret.
	Secrets SecretReader
	// Shadows is for get_thing_shadow.
	Shadows ShadowReader
	// Tables is for get_dynamodb.
	Tables TableReader
	// Things is for get_registry_data.
	Things RegistryReader
	// Timeout bounds each call. Default 2 s.
	Timeout time.Duration
}

func (e Externals) withDefaults() Externals {
	if e.Timeout <= 0 {
		e.Timeout = 2 * time.Second
	}
	return e
}

// The seams. JSON is one JSON value, valid during the call if it is an argument; what
// is returned belongs to the caller. role is the role ARN of the statement, which an
// implementation may ignore. Any error fails the evaluation as a whole.
type (
	// LambdaInvoker calls a function and returns its answer.
	LambdaInvoker interface {
		InvokeLambda(ctx context.Context, function string, input []byte) (answer []byte, err error)
	}
	// Predictor asks a model. record is an object of texts.
	Predictor interface {
		Predict(ctx context.Context, model, role string, record []byte) (answer []byte, err error)
	}
	// SecretReader reads the current version of a secret: its text or its bytes.
	SecretReader interface {
		ReadSecret(ctx context.Context, id, role string, binary bool) ([]byte, error)
	}
	// TableReader reads one item as plain JSON, nil if there is none. sort is the zero
	// TableKey if the table has no sort key.
	TableReader interface {
		ReadItem(ctx context.Context, table string, partition, sort TableKey, role string) (item []byte, err error)
	}
	// RegistryReader answers DescribeThing or ListThingGroupsForThing; nil if there is
	// no such thing.
	RegistryReader interface {
		ReadRegistry(ctx context.Context, api, thing, role string) (answer []byte, err error)
	}
	// ShadowReader reads a shadow document, name "" being the classic one; nil if
	// there is none.
	ShadowReader interface {
		ReadShadow(ctx context.Context, thing, name, role string) (document []byte, err error)
	}
	// ProtoDecoder makes JSON of a message in Protocol Buffers, with a descriptor file
	// that lies in an object store.
	ProtoDecoder interface {
		DecodeProto(ctx context.Context, message []byte, bucket, key, file, name string) (decoded []byte, err error)
	}
)

// A TableKey is one key of an item: its name, and its value as JSON.
type TableKey struct {
	Name  string
	Value []byte
}
