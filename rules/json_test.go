package rules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

func TestRuleAsJSON(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	for _, tt := range []struct {
		name, json string
		want       rules.Rule
		again      string // what is written, if it is not json
	}{
		{
			"of AWS",
			`{"sql":"SELECT * FROM 'a' WHERE x > 1","description":"d","actions":[{"republish":{"roleArn":"arn","topic":"b","qos":0}},{"log":{}}],"ruleDisabled":true,"awsIotSqlVersion":"2016-03-23","errorAction":{"republish":{"topic":"e","qos":0}}}`,
			rules.Rule{
				Name: "r", SQL: "SELECT * FROM 'a' WHERE x > 1", Description: "d", Disabled: true, Version: rules.V2016,
				Actions: []actions.Action{actions.Republish{RoleARN: "arn", Topic: "b"}, actions.Log{}}, ErrorAction: actions.Republish{Topic: "e"},
			},
			"",
		},
		{
			"without a version", `{"sql":"SELECT * FROM 'a'","actions":[]}`,
			rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Version: rules.V2015},
			`{"sql":"SELECT * FROM 'a'","actions":[],"ruleDisabled":false,"awsIotSqlVersion":"2015-10-08"}`,
		},
		{
			"null is absent", `{"sql":"SELECT * FROM 'a'","description":null,"actions":[{"republish":{"topic":"b","qos":null,"headers":null},"s3":null}],"ruleDisabled":null,"awsIotSqlVersion":null,"errorAction":null,"expr":null,"delivery":null}`,
			rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Version: rules.V2015, Actions: []actions.Action{actions.Republish{Topic: "b"}}},
			`{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"topic":"b","qos":0}}],"ruleDisabled":false,"awsIotSqlVersion":"2015-10-08"}`,
		},
		{
			"expressions", `{"actions":[],"ruleDisabled":false,"expr":{"filter":"a","where":"payload.x > 1","select":"topic"}}`,
			rules.Rule{Name: "r", Expr: &rules.Expr{Filter: "a", Where: "payload.x > 1", Select: "topic"}},
			"",
		},
		{
			"delivery",
			`{"sql":"","actions":[],"ruleDisabled":false,"awsIotSqlVersion":"beta","delivery":{"queue":1,"reserve":-1,"queueBytes":3,"lanes":4,"tries":5,"backoffMs":6,"maxBackoffMs":7,"maxAgeMs":8,"timeoutMs":9}}`,
			rules.Rule{Name: "r", Version: rules.Beta, Delivery: rules.Delivery{
				Queue: 1, Reserve: -1, QueueBytes: 3, Lanes: 4,
				Retry: actions.Retry{Tries: 5, Backoff: 6 * time.Millisecond, MaxBackoff: 7 * time.Millisecond, MaxAge: 8 * time.Millisecond, Timeout: 9 * time.Millisecond},
			}},
			`{"actions":[],"ruleDisabled":false,"awsIotSqlVersion":"beta","delivery":{"queue":1,"reserve":-1,"queueBytes":3,"lanes":4,"tries":5,"backoffMs":6,"maxBackoffMs":7,"maxAgeMs":8,"timeoutMs":9}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := s.DecodeRule("r", []byte(tt.json))
			require.NoError(t, err)
			require.Equal(t, tt.want, r)
			data, whole, err := s.EncodeRule(r)
			require.NoError(t, err)
			require.True(t, whole)
			if tt.again == "" {
				tt.again = tt.json
			}
			require.Equal(t, tt.again, string(data))
		})
	}
}

func TestActionsWithoutJSON(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	data, whole, err := s.EncodeRule(rules.Rule{SQL: "SELECT * FROM 'a'", Version: rules.V2016, Actions: []actions.Action{refuse(nil), actions.Log{}, unnamed{}}, ErrorAction: actions.NewRecorder()})
	require.NoError(t, err)
	require.False(t, whole)
	require.Equal(t, `{"sql":"SELECT * FROM 'a'","actions":[{"function":{}},{"log":{}},{"unnamed":{}}],"ruleDisabled":false,"awsIotSqlVersion":"2016-03-23","errorAction":{"recorder":{}}}`, string(data))
}

// unnamed has no name but that of its type.
type unnamed struct{ actions.Action }

func TestDecodeRuleRefuses(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	for _, tt := range []struct{ json, field, want string }{
		{`x`, "the text", `the text is x, expected an object`},
		{`{"actions":[]}`, "sql", `sql is missing, expected a statement`},
		{`{"sql":"SELECT * FROM 'a'"}`, "actions", `actions is missing, expected an array of actions`},
		{`{"sql":"SELECT * FROM 'a'","actions":{}}`, "actions", `actions is an object, expected an array`},
		{`{"sql":"SELECT * FROM 'a'","actions":null}`, "actions", `actions is missing, expected an array of actions`},
		{`{"sql":"SELECT * FROM 'a'","actions":[],"ruleName":"a"}`, "", `ruleName is not known, expected actions, awsIotSqlVersion, delivery, description, errorAction, expr, ruleDisabled or sql`},
		{`{"sql":"SELECT * FROM 'a'","actions":[],"awsIotSqlVersion":"2016"}`, "awsIotSqlVersion", `awsIotSqlVersion is "2016", expected 2015-10-08, 2016-03-23 or beta`},
		{`{"sql":"SELECT * FROM 'a'","actions":[],"ruleDisabled":"no"}`, "ruleDisabled", `ruleDisabled is "no", expected true or false`},
		{`{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"topic":"a"},"log":{}}]}`, "actions[0]", `actions[0]: an action has the keys log and republish, expected one`},
		{`{"sql":"SELECT * FROM 'a'","actions":[{"log":{}},{"lambda":{}}]}`, "actions[1]", `actions[1]: this hub has no action lambda, expected file, http, log, republish or shadow`},
		{`{"sql":"SELECT * FROM 'a'","actions":[],"errorAction":{"republish":{}}}`, "errorAction", `errorAction: republish: topic is missing, expected a text`},
		{`{"actions":[],"expr":{"filters":"a"}}`, "", `expr.filters is not known, expected filter, select or where`},
		{`{"sql":"","actions":[],"delivery":{"lanes":-1}}`, "delivery.lanes", `delivery.lanes is -1, expected a whole number from 0 to 1024`},
	} {
		_, err := s.DecodeRule("r", []byte(tt.json))
		require.EqualError(t, err, "rules: "+tt.want)
		require.ErrorIs(t, err, rules.ErrInvalid)
		var e *rules.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, tt.field, e.Field)
	}
}

func FuzzDecodeRule(f *testing.F) {
	for _, s := range []string{
		`{"sql":"SELECT * FROM 'a'","actions":[{"log":{}}],"errorAction":{"log":{"level":"warn"}},"delivery":{"queue":1}}`,
		`{"actions":[],"expr":{"filter":"a","where":"payload.x > 1","select":"topic"}}`, `{}`, `[`,
	} {
		f.Add([]byte(s))
	}
	s, err := rules.New(rules.Config{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := s.DecodeRule("r", data)
		if err != nil {
			return
		}
		again, _, err := s.EncodeRule(r)
		require.NoError(t, err)
		if r.Expr == nil && r.SQL == "" {
			return // an empty statement is not written
		}
		b, err := s.DecodeRule("r", again)
		require.NoError(t, err)
		require.Equal(t, r.SQL, b.SQL)
		require.Equal(t, len(r.Actions), len(b.Actions))
	})
}
