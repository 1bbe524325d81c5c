package aws

import (
	"errors"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/actions"
)

// Kinds returns the decoders of the actions, for rules.Config.Kinds: the JSON that AWS
// writes in the TopicRulePayload of a rule. Where there are several Services, an action
// names one as "sink", which AWS does not know.
func Kinds(services ...*Services) map[string]actions.Decoder {
	return map[string]actions.Decoder{
		"cloudwatchAlarm":  decoder(services, readAlarm),
		"cloudwatchLogs":   decoder(services, readLogs),
		"cloudwatchMetric": decoder(services, readMetric),
		"dynamoDB":         decoder(services, readDynamoDB),
		"dynamoDBv2":       decoder(services, readDynamoDBv2),
		"eventBridge":      decoder(services, readBus),
		"firehose":         decoder(services, readFirehose),
		"kinesis":          decoder(services, readKinesis),
		"lambda":           decoder(services, readLambda),
		"s3":               decoder(services, readS3),
		"sageMaker":        decoder(services, readSageMaker),
		"sns":              decoder(services, readSNS),
		"sqs":              decoder(services, readSQS),
		"stepFunctions":    decoder(services, readSteps),
		"timestream":       decoder(services, readTimestream),
	}
}

// A part is an action that a decoder makes.
type part interface {
	actions.Named
	actions.Checker
	actions.Sinked
	named(sink string)
}

// params is where a decoder reads from.
type params struct {
	*actions.Object
	services *Services
}

// role reads roleArn.
func (p params) role() string {
	if p.services.cfg.OptionalRole && !p.Has("roleArn") {
		return p.Text("roleArn")
	}
	return p.Need("roleArn")
}

// decoder makes a Decoder of read, which makes an action of its parameters.
func decoder(services []*Services, read func(p params) actions.Action) actions.Decoder {
	return func(data []byte) (actions.Action, error) {
		o := actions.ReadObject(data)
		name := o.Text("sink")
		s, err := pick(services, name)
		if err != nil {
			return nil, err
		}
		made := read(params{o, s})
		if err := o.Done(); err != nil {
			return nil, err
		}
		a, ok := made.(part)
		if !ok {
			return nil, errors.ErrUnsupported
		}
		a.named(name)
		return made, a.Check()
	}
}

func pick(services []*Services, name string) (*Services, error) {
	names := make([]string, len(services))
	for i, s := range services {
		if name == s.Name() || name == "" && len(services) == 1 {
			return s, nil
		}
		names[i] = s.Name()
	}
	if len(services) == 0 {
		return nil, errors.New("aws: this hub has no services")
	}
	return nil, actions.WrongField("sink", name, fmt.Sprintf("one of %s", strings.Join(names, ", ")))
}
