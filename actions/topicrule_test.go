package actions_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestFromTopicRule(t *testing.T) {
	r, err := actions.FromTopicRule([]byte(`{
		"sql": "SELECT * FROM 'a/#'", "description": "all of a", "ruleDisabled": true, "awsIotSqlVersion": "2016-03-23",
		"actions": [{"republish": {"topic": "b", "roleArn": "arn:aws:iam::123456789012:role/r"}}, {"log": {}}],
		"errorAction": {"log": {"level": "warn"}}
	}`), actions.Builtin())
	require.NoError(t, err)
	require.Equal(t, "SELECT * FROM 'a/#'", r.SQL)
	require.Equal(t, "all of a", r.Description)
	require.Equal(t, "2016-03-23", r.Version)
	require.True(t, r.Disabled)
	require.Len(t, r.Actions, 2)
	require.Equal(t, "b", r.Actions[0].(actions.Republish).Topic)
	require.IsType(t, actions.Log{}, r.Actions[1])
	require.Equal(t, "warn", r.ErrorAction.(actions.Log).Level)

	r, err = actions.FromTopicRule([]byte(`{"actions": [], "errorAction": null}`), nil)
	require.NoError(t, err)
	require.Empty(t, r.Actions)
	require.Nil(t, r.ErrorAction)

	ten := "{}"
	for range 10 {
		ten += ",{}"
	}
	for payload, want := range map[string]string{
		`[]`:                                             `the text is an array, expected an object`,
		`{"sql":"SELECT 1"}`:                             `actions is missing, expected an array of actions`,
		`{"sql":1,"actions":[]}`:                         `sql is 1, expected a text`,
		`{"actions":[],"rule":"r"}`:                      `rule is not known, expected actions, awsIotSqlVersion, description, errorAction, ruleDisabled or sql`,
		`{"actions":[{}]}`:                               `actions[0]: an action has no key, expected log or republish`,
		`{"actions":[{"log":{}},7]}`:                     `actions[1]: the text is 7, expected an object`,
		`{"actions":[{"kinesys":{}}]}`:                   `actions[0]: this hub has no action kinesys, expected log or republish`,
		`{"actions":[` + ten + `]}`:                      `actions is an array of 11, expected 0 to 10 items`,
		`{"actions":[{"republish":{}}]}`:                 `actions[0]: republish: topic is missing, expected a text`,
		`{"actions":[],"errorAction":{}}`:                `errorAction: an action has no key, expected log or republish`,
		`{"actions":[],"awsIotSqlVersion":"2020-01-01"}`: `awsIotSqlVersion is "2020-01-01", expected 2015-10-08, 2016-03-23 or beta`,
	} {
		registry := map[string]actions.Decoder{"log": actions.Builtin()["log"], "republish": actions.Builtin()["republish"]}
		_, err := actions.FromTopicRule([]byte(payload), registry)
		require.EqualError(t, err, want, payload)
	}
}

func TestFromTopicRule_More(t *testing.T) {
	var color string
	read := func(o *actions.Object) { color = o.Enum("color", "red", "blue") }
	_, err := actions.FromTopicRule([]byte(`{"actions":[],"color":"red"}`), nil, read)
	require.NoError(t, err)
	require.Equal(t, "red", color)
	_, err = actions.FromTopicRule([]byte(`{"actions":[],"color":"green"}`), nil, read)
	require.EqualError(t, err, `color is "green", expected red or blue`)
}

// Rules of AWS run with actions of one's own beside those that are built in.
func ExampleFromTopicRule() {
	page := func([]byte) (actions.Action, error) {
		return actions.Func(func(_ context.Context, ev actions.Event) error {
			fmt.Printf("paged: %s\n", ev.Payload)
			return nil
		}), nil
	}
	registry := actions.Merge(actions.Builtin(), map[string]actions.Decoder{"page": page})
	rule, err := actions.FromTopicRule([]byte(`{"sql": "SELECT * FROM 'alarms'", "actions": [{"page": {}}]}`), registry)
	if err != nil {
		panic(err)
	}
	fmt.Println(rule.SQL)
	_ = rule.Actions[0].Do(context.Background(), actions.Event{Payload: []byte("fire")})

	_, err = actions.FromTopicRule([]byte(`{"sql": "SELECT * FROM 'alarms'", "actions": [{"pager": {}}]}`), registry)
	fmt.Println(err)
	// Output:
	// SELECT * FROM 'alarms'
	// paged: fire
	// actions[0]: this hub has no action pager, expected file, http, log, page, republish or shadow
}
