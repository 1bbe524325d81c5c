package sql_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// A vector is one case of testdata/sql.json or testdata/templates.json.
type vector struct {
	ID, SQL, Topic, Version, Template string
	Payload                           json.RawMessage
	PayloadB64                        *string `json:"payload_b64"`
	Context                           facts
	Want                              json.RawMessage
	Tol                               float64
	RawWant                           *string
	LambdaInput                       json.RawMessage `json:"lambda_input"`
	MLRecord                          json.RawMessage `json:"ml_record"`
	Why                               string
	Ambiguous                         bool
}

// facts is what a vector says about the message and about what is outside.
type facts struct {
	ClientID  string `json:"clientId"`
	Principal string
	AccountID string `json:"accountId"`
	Timestamp int64
	TraceID   string `json:"traceId"`
	SourceIP  string `json:"sourceIp"`
	Protocol  string
	RuleName  string `json:"ruleName"`
	MQTT      struct {
		ContentType            string
		PayloadFormatIndicator *int
		ResponseTopic          string
		CorrelationData        []byte
		UserProperties         [][2]string
	}
	Shadows  map[string]json.RawMessage
	Lambda   map[string]json.RawMessage
	DynamoDB map[string]map[string]map[string]json.RawMessage
	Secrets  map[string]struct {
		SecretString *string
		SecretBinary []byte
	}
	Registry map[string]map[string]json.RawMessage
	ML       map[string]json.RawMessage
}

func (f *facts) source() netip.Addr {
	a, _ := netip.ParseAddr(f.SourceIP)
	return a
}

func readVectors(t *testing.T, file string) []vector {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var list []vector
	require.NoError(t, json.Unmarshal(b, &list))
	require.NotEmpty(t, list)
	return list
}

func (v *vector) message(t *testing.T) *actions.Message {
	c := &v.Context
	m := &actions.Message{
		Topic: v.Topic, Payload: v.Payload, ClientID: c.ClientID, Principal: c.Principal, SourceIP: c.source(), TraceID: actions.NamedTraceID(c.TraceID),
		ContentType: c.MQTT.ContentType, ResponseTopic: c.MQTT.ResponseTopic, CorrelationData: c.MQTT.CorrelationData,
	}
	if v.PayloadB64 != nil {
		raw, err := base64.StdEncoding.DecodeString(*v.PayloadB64)
		require.NoError(t, err)
		m.Payload = raw
	}
	switch c.Protocol {
	case "mqtt", "":
		m.Protocol = actions.ProtocolMQTT
	case "http":
		m.Protocol = actions.ProtocolHTTP
	}
	if c.Timestamp != 0 {
		m.Time = time.UnixMilli(c.Timestamp)
	}
	if i := c.MQTT.PayloadFormatIndicator; i != nil {
		m.PayloadFormat = actions.FormatBytes + actions.PayloadFormat(*i)
	}
	m.UserProperties = func(yield func(k, v string) bool) {
		for _, p := range c.MQTT.UserProperties {
			if !yield(p[0], p[1]) {
				return
			}
		}
	}
	return m
}

func (v *vector) options() (sql.Options, *stubs) {
	s := &stubs{facts: &v.Context}
	return sql.Options{
		Version: sql.Version(v.Version), Account: v.Context.AccountID,
		Externals: sql.Externals{Lambda: s, Predictor: s, Secrets: s, Shadows: s, Tables: s, Things: s},
	}, s
}

// stubs answer calls as a vector says.
type stubs struct {
	facts         *facts
	lambda, model []byte
}

var errNone = errors.New("there is none")

func (s *stubs) InvokeLambda(_ context.Context, function string, input []byte) ([]byte, error) {
	s.lambda = bytes.Clone(input)
	if a, ok := s.facts.Lambda[function]; ok {
		return a, nil
	}
	return nil, errNone
}

func (s *stubs) Predict(_ context.Context, model, _ string, record []byte) ([]byte, error) {
	s.model = bytes.Clone(record)
	if a, ok := s.facts.ML[model]; ok {
		return a, nil
	}
	return nil, errNone
}

func (s *stubs) ReadSecret(_ context.Context, id, _ string, binary bool) ([]byte, error) {
	x, ok := s.facts.Secrets[id]
	switch {
	case !ok:
		return nil, errNone
	case binary:
		return x.SecretBinary, nil
	case x.SecretString == nil:
		return nil, errNone
	}
	return []byte(*x.SecretString), nil
}

func (s *stubs) ReadShadow(_ context.Context, thing, name, _ string) ([]byte, error) {
	if name != "" {
		thing += "/" + name
	}
	return s.facts.Shadows[thing], nil
}

func (s *stubs) ReadItem(_ context.Context, table string, partition, _ sql.TableKey, _ string) ([]byte, error) {
	value := string(partition.Value)
	var text string
	if json.Unmarshal(partition.Value, &text) == nil {
		value = text
	}
	return s.facts.DynamoDB[table][partition.Name][value], nil
}

func (s *stubs) ReadRegistry(_ context.Context, api, thing, _ string) ([]byte, error) {
	return s.facts.Registry[api][thing], nil
}

// decided are the ambiguous vectors that we read otherwise.
var decided = map[string]string{
	"fn-arity-abs2": `{"error":true}`, // a wrong number of arguments is refused when the rule is made
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "testdata/sql.json") {
		if want, ok := decided[v.ID]; ok {
			require.True(t, v.Ambiguous)
			v.Want = json.RawMessage(want)
		}
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			o, stub := v.options()
			m := v.message(t)
			var form struct {
				Undefined, NoMatch, Error bool
				Raw                       *[]byte `json:"$raw_b64"`
			}
			_ = json.Unmarshal(v.Want, &form)
			s, err := sql.Compile(v.SQL, o)
			if err != nil {
				require.True(t, form.Error, "%s\n%v\n%s", v.SQL, err, v.Why)
				var e *sql.Error
				require.ErrorAs(t, err, &e)
				require.Positive(t, e.Line)
				require.Positive(t, e.Column)
				return
			}
			var r sql.Result
			if v.matches(s) {
				r, err = s.Evaluate(t.Context(), m)
			}
			told := fmt.Sprintf("%s\n%s\ngot %s\n%s", v.SQL, v.Payload, r.Output, v.Why)
			if form.Error {
				require.Error(t, err, told)
				return
			}
			require.NoError(t, err, told)
			require.Equal(t, !form.NoMatch, r.Matched, told)
			require.Equal(t, form.Undefined, r.Undefined, told)
			switch {
			case form.NoMatch, form.Undefined:
				require.Empty(t, r.Output, told)
			case form.Raw != nil:
				require.Equal(t, *form.Raw, r.Output)
			default:
				require.True(t, sameJSON(t, v.Want, r.Output, v.Tol), told)
			}
			if v.RawWant != nil {
				require.Equal(t, *v.RawWant, string(r.Output))
			}
			if v.LambdaInput != nil {
				require.True(t, sameJSON(t, v.LambdaInput, stub.lambda, 0), string(stub.lambda))
			}
			if v.MLRecord != nil {
				require.True(t, sameJSON(t, v.MLRecord, stub.model, 0), string(stub.model))
			}
		})
	}
}

// matches reports whether the statement is asked: a Basic Ingest topic names its rule.
func (v *vector) matches(s *sql.Statement) bool {
	if rest, ok := strings.CutPrefix(v.Topic, "$aws/rules/"); ok {
		if name, _, _ := strings.Cut(rest, "/"); name != v.Context.RuleName {
			return false
		}
	}
	return s.Matches(v.Topic)
}

func TestTemplateVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "testdata/templates.json") {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			o, _ := v.options()
			text := v.SQL
			if text == "" {
				text = "SELECT * FROM '#'"
			}
			s, err := sql.Compile(text, o)
			require.NoError(t, err)
			var want string
			refused := json.Unmarshal(v.Want, &want) != nil
			tpl, err := s.Template(v.Template, o)
			if refused {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			r := sql.NewPlan(s).Begin(v.message(t))
			defer r.End()
			got, _, err := r.Text(t.Context(), 0, tpl)
			require.NoError(t, err)
			require.Equal(t, want, got, v.Why)
		})
	}
}

// sameJSON compares by value: numbers exactly, or within tol.
func sameJSON(t *testing.T, want, got []byte, tol float64) bool {
	t.Helper()
	read := func(b []byte) any {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil || d.More() {
			return fmt.Sprintf("not JSON: %q: %v", b, err)
		}
		return v
	}
	return same(read(want), read(got), tol)
}

func same(a, b any, tol float64) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok {
			return false
		}
		if tol > 0 {
			f, _ := x.Float64()
			g, _ := y.Float64()
			return math.Abs(g-f) <= tol*max(1, math.Abs(f))
		}
		p, ok1 := new(big.Rat).SetString(x.String())
		q, ok2 := new(big.Rat).SetString(y.String())
		return ok1 && ok2 && p.Cmp(q) == 0
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if _, ok := y[k]; !ok || !same(x[k], y[k], tol) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i], tol) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
