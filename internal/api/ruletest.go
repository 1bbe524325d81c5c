package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/topic"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

// ownOperations are those that AWS does not have. "-" is no name of a rule.
var ownOperations = []operation{
	{name: "TestTopicRule", method: http.MethodPost, path: "/rules/-/test", errors: ofRules("SqlParse"), handle: testRule, on: anything},
}

// A ruleTest is a statement and a message to try it on.
type ruleTest struct {
	SQL           *string         `json:"sql"`
	Version       rules.Version   `json:"sqlVersion"`
	AWSVersion    rules.Version   `json:"awsIotSqlVersion"` // what rules call it
	Topic         string          `json:"topic"`
	Payload       *string         `json:"payload"`
	PayloadBase64 *string         `json:"payloadBase64"`
	Context       json.RawMessage `json:"context"`
	Template      *string         `json:"template"`
}

// A testResult is what a message makes of a statement.
type testResult struct {
	Matched   bool       `json:"matched"`
	Undefined bool       `json:"undefined"`
	Output    *string    `json:"output"`
	Base64    string     `json:"outputBase64,omitempty"`
	Rendered  *string    `json:"rendered"`
	Reason    string     `json:"reason,omitempty"`
	Error     string     `json:"error,omitempty"`
	Warnings  []warning  `json:"warnings,omitempty"`
	Trace     []sql.Step `json:"trace"`
}

// A warning is about a part of a test that can never yield a value.
type warning struct {
	Field   string `json:"field"` // "sql" or "template"
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// testRule tries a statement on a message: nothing is stored and no action runs. The answer
// has "warnings" if the statement or the template has what can never yield a value, such
// as a wrong date pattern, each with the member of the request, a place in it and a
// sentence.
func testRule(c *call) error {
	in, err := input[ruleTest](c)
	if err != nil {
		return err
	}
	m, facts, err := in.message()
	if err != nil {
		return err
	}
	// The last is as of a rule that is created without one.
	r := rules.Rule{Name: facts.RuleName, Version: cmp.Or(in.Version, in.AWSVersion, rules.V2015)}
	switch {
	case in.SQL != nil:
		r.SQL = *in.SQL
	case in.Template != nil: // whatever the topic is
		name := behindIngest(m.Topic)
		if name == "" {
			return invalid("topic", m.Topic, "a topic behind the rule of Basic Ingest")
		}
		r.SQL, r.Version = "SELECT * FROM '"+strings.ReplaceAll(name, "'", "''")+"'", rules.V2016
	default:
		return required("sql", "")
	}
	o := rules.TryOptions{Account: facts.AccountID, Externals: facts.externals()}
	if in.Template != nil {
		o.Templates = []string{*in.Template}
	}
	t, err := c.cfg.Rules.Try(c.r.Context(), r, m, o)
	if err != nil {
		return asTested(err)
	}
	return c.answer.json(resultOf(t))
}

// asTested names the members of a test in an error about the rule that was made of it.
func asTested(err error) error {
	e, ok := errors.AsType[*rules.Error](err)
	if !ok {
		return err
	}
	tested, ok := map[string]string{"awsIotSqlVersion": "sqlVersion", "ruleName": "context.ruleName", "templates[0]": "template"}[e.Field]
	if !ok {
		return err
	}
	named := *e
	named.Field, named.Message = tested, tested+strings.TrimPrefix(e.Message, e.Field)
	return &named
}

// warningOf makes a warning of one about the rule that was made of a test.
func warningOf(e *rules.Error) warning {
	w := warning{Field: e.Field, Message: e.Message}
	if e.Field == "templates[0]" {
		w.Field = "template"
	}
	if at, ok := errors.AsType[*sql.Error](e); ok {
		w.Line, w.Column, w.Message = at.Line, at.Column, at.Message
	}
	return w
}

func resultOf(t rules.Trace) testResult {
	out := testResult{Matched: t.Passed, Undefined: t.Undefined, Reason: t.Reason, Trace: some(t.Steps)}
	if t.Err != nil {
		out.Error = t.Err.Error()
	}
	if t.Passed {
		if utf8.Valid(t.Output) {
			s := string(t.Output)
			out.Output = &s
		} else {
			out.Base64 = base64.StdEncoding.EncodeToString(t.Output)
		}
	}
	for _, w := range t.Warnings {
		out.Warnings = append(out.Warnings, warningOf(w))
	}
	for _, text := range t.Texts {
		if text.Err == nil {
			out.Rendered = &text.Text
		} else if out.Error == "" {
			out.Error = text.Err.Error()
		}
	}
	return out
}

// testFacts are what a test says about its message and about what is outside.
type testFacts struct {
	ClientID  string `json:"clientId"`
	Principal string `json:"principal"`
	AccountID string `json:"accountId"`
	Timestamp *int64 `json:"timestamp"` // milliseconds
	TraceID   string `json:"traceId"`
	SourceIP  string `json:"sourceIp"`
	Protocol  string `json:"protocol"` // "mqtt" or "http"
	RuleName  string `json:"ruleName"`
	MQTT      struct {
		ContentType            string     `json:"contentType"`
		PayloadFormatIndicator *int       `json:"payloadFormatIndicator"`
		ResponseTopic          string     `json:"responseTopic"`
		CorrelationData        *string    `json:"correlationData"` // base64
		UserProperties         [][]string `json:"userProperties"`  // of keys and values
	} `json:"mqtt"`
	Shadows  map[string]json.RawMessage                       `json:"shadows"`  // by "thing" or "thing/shadow"
	Lambda   map[string]json.RawMessage                       `json:"lambda"`   // by ARN
	DynamoDB map[string]map[string]map[string]json.RawMessage `json:"dynamodb"` // by table, key field and key value
	Secrets  map[string]testSecret                            `json:"secrets"`
	Registry map[string]map[string]json.RawMessage            `json:"registry"` // by operation and thing
	ML       map[string]json.RawMessage                       `json:"ml"`       // by model
}

type testSecret struct {
	SecretString *string `json:"SecretString"`
	SecretBinary *string `json:"SecretBinary"` // base64
}

// message makes the message of a test.
func (in *ruleTest) message() (*actions.Message, *testFacts, error) {
	f := &testFacts{}
	if len(in.Context) > 0 {
		if err := json.Unmarshal(in.Context, f); err != nil {
			if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
				what := strings.TrimSuffix("context."+t.Field, ".")
				return nil, nil, badBody("%s is %s, expected %s", what, valueName(t.Value), wireName(t.Type.Kind()))
			}
			return nil, nil, badBody("context: %v", err)
		}
	}
	if err := topic.CheckName(in.Topic); err != nil {
		return nil, nil, badBody("%v", err)
	}
	m := &actions.Message{
		Topic: in.Topic, ClientID: f.ClientID, Principal: f.Principal, TraceID: actions.NamedTraceID(f.TraceID), Time: time.Now(), Protocol: actions.ProtocolMQTT,
		ContentType: f.MQTT.ContentType, ResponseTopic: f.MQTT.ResponseTopic,
	}
	var err error
	switch {
	case in.Payload != nil && in.PayloadBase64 != nil:
		return nil, nil, badBody("payload and payloadBase64 are both there, expected one of them")
	case in.Payload != nil:
		m.Payload = []byte(*in.Payload)
	case in.PayloadBase64 != nil:
		if m.Payload, err = decode64(*in.PayloadBase64); err != nil {
			return nil, nil, invalid("payloadBase64", *in.PayloadBase64, "base64")
		}
	}
	switch f.Protocol {
	case "", "mqtt":
	case "http":
		m.Protocol = actions.ProtocolHTTP
	default:
		return nil, nil, invalid("context.protocol", f.Protocol, "mqtt or http")
	}
	if f.Timestamp != nil {
		m.Time = time.UnixMilli(*f.Timestamp)
	}
	if f.SourceIP != "" {
		if m.SourceIP, err = netip.ParseAddr(f.SourceIP); err != nil {
			return nil, nil, invalid("context.sourceIp", f.SourceIP, "an IP address")
		}
	}
	if name, _, ok := strings.Cut(strings.TrimPrefix(in.Topic, ingestPrefix), "/"); ok && f.RuleName == "" && strings.HasPrefix(in.Topic, ingestPrefix) {
		f.RuleName = name
	}
	return m, f, f.properties(m)
}

const ingestPrefix = "$aws/rules/"

// behindIngest is a topic without the prefix of Basic Ingest.
func behindIngest(name string) string {
	rest, ok := strings.CutPrefix(name, ingestPrefix)
	if !ok {
		return name
	}
	_, rest, _ = strings.Cut(rest, "/")
	return rest
}

// properties sets the MQTT 5 properties.
func (f *testFacts) properties(m *actions.Message) error {
	if i := f.MQTT.PayloadFormatIndicator; i != nil {
		if *i != 0 && *i != 1 {
			return badBody("context.mqtt.payloadFormatIndicator is %d, expected 0 or 1", *i)
		}
		m.PayloadFormat = actions.FormatBytes + actions.PayloadFormat(*i)
	}
	if d := f.MQTT.CorrelationData; d != nil {
		data, err := decode64(*d)
		if err != nil {
			return invalid("context.mqtt.correlationData", *d, "base64")
		}
		m.CorrelationData = data
	}
	for i, p := range f.MQTT.UserProperties {
		if len(p) != 2 {
			return badBody("context.mqtt.userProperties[%d] has %d texts, expected a key and a value", i, len(p))
		}
	}
	if user := f.MQTT.UserProperties; len(user) > 0 {
		m.UserProperties = func(yield func(string, string) bool) {
			for _, p := range user {
				if !yield(p[0], p[1]) {
					return
				}
			}
		}
	}
	return nil
}

// externals stand in for what is outside, or nil if the test says nothing about it.
func (f *testFacts) externals() *sql.Externals {
	if f.Shadows == nil && f.Lambda == nil && f.DynamoDB == nil && f.Secrets == nil && f.Registry == nil && f.ML == nil {
		return nil
	}
	s := testStubs{f}
	return &sql.Externals{Lambda: s, Predictor: s, Secrets: s, Shadows: s, Tables: s, Things: s}
}

// testStubs answer calls as a test says.
type testStubs struct{ facts *testFacts }

func (s testStubs) InvokeLambda(_ context.Context, function string, _ []byte) ([]byte, error) {
	return stub(s.facts.Lambda, "lambda", function)
}

func (s testStubs) Predict(_ context.Context, model, _ string, _ []byte) ([]byte, error) {
	return stub(s.facts.ML, "ml", model)
}

func stub(answers map[string]json.RawMessage, what, name string) ([]byte, error) {
	a, ok := answers[name]
	if !ok {
		return nil, fmt.Errorf("context.%s has no answer for %q", what, name)
	}
	return a, nil
}

func (s testStubs) ReadSecret(_ context.Context, id, _ string, binary bool) ([]byte, error) {
	x := s.facts.Secrets[id]
	switch {
	case binary && x.SecretBinary != nil:
		return decode64(*x.SecretBinary)
	case !binary && x.SecretString != nil:
		return []byte(*x.SecretString), nil
	}
	return nil, fmt.Errorf("context.secrets has no secret %q of this type", id)
}

func (s testStubs) ReadShadow(_ context.Context, thing, name, _ string) ([]byte, error) {
	if name != "" {
		thing += "/" + name
	}
	return s.facts.Shadows[thing], nil
}

// ReadItem looks for the value of the key as text.
func (s testStubs) ReadItem(_ context.Context, table string, partition, _ sql.TableKey, _ string) ([]byte, error) {
	value := string(bytes.TrimSpace(partition.Value))
	var text string
	if json.Unmarshal(partition.Value, &text) == nil {
		value = text
	}
	return s.facts.DynamoDB[table][partition.Name][value], nil
}

func (s testStubs) ReadRegistry(_ context.Context, api, thing, _ string) ([]byte, error) {
	return s.facts.Registry[api][thing], nil
}
