package postgres_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/postgres"
)

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	require.NoError(tb, err)
	return b
}

func TestJSON(t *testing.T) {
	t.Parallel()
	main := open(t, postgres.Config{Sink: actions.SinkConfig{Name: "main"}, DSN: "host=main"})
	other := open(t, postgres.Config{Sink: actions.SinkConfig{Name: "other"}, DSN: "host=other"})
	one, two := postgres.Kinds(main), postgres.Kinds(main, other)
	for _, text := range []string{
		`{"postgres":{"table":"t"}}`,
		`{"postgres":{"sink":"main","table":"public.t","columns":{"a":"${x} y","b":"$payload"},"members":["c"],"onConflict":"update","key":["a","c"],"batchSize":7}}`,
		`{"postgres":{"table":"t","mode":"copy"}}`,
		`{"postgres":{"sink":"main","statement":"INSERT INTO t VALUES (${a < 3}, $payload)"}}`,
	} {
		a, err := actions.Decode([]byte(text), one)
		require.NoError(t, err, text)
		require.Same(t, main.Sink(), a.(actions.Sinked).Sink())
		back, ok, err := actions.Encode(a, one)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, text, string(back))
	}
	a, err := actions.Decode([]byte(`{"postgres":{"sink":"other","table":"t"}}`), two)
	require.NoError(t, err)
	require.Same(t, other.Sink(), a.(actions.Sinked).Sink())
	require.Equal(t, "t", a.(actions.Named).Resource(actions.Event{}))

	for text, want := range map[string]string{
		`{"table":"t"}`:                                                       `postgres: sink is missing, expected "main" or "other"`,
		`{"table":"t","sink":"third"}`:                                        `postgres: sink is "third", expected "main" or "other"`,
		`{"table":"t","sink":""}`:                                             `postgres: sink is missing, expected "main" or "other"`,
		`{"sink":"main"}`:                                                     `postgres: table is missing, expected a table, or a statement`,
		`{"sink":"main","table":""}`:                                          `postgres: table is missing, expected a table, or a statement`,
		`{"sink":"main","table":"a."}`:                                        `postgres: table is an empty name, expected the name of a table, with that of its schema and a point before it at most`,
		`{"sink":"main","table":"t","statement":"select 1"}`:                  `postgres: table is there beside statement, expected one of statement and table`,
		`{"sink":"main","statement":"select 1","key":["a"]}`:                  `postgres: key is there beside statement, expected one of statement and table`,
		`{"sink":"main","statement":"select '${a}'"}`:                         `postgres: statement: line 1, column 9: a template is in a literal, expected it outside of quotes: it stands for a value`,
		`{"sink":"main","table":"t","mode":"stream"}`:                         `postgres: mode is "stream", expected insert or copy`,
		`{"sink":"main","table":"t","mode":"copy","onConflict":"nothing"}`:    `postgres: onConflict is "nothing", expected error: COPY has no other, mode insert has`,
		`{"sink":"main","table":"t","onConflict":"update"}`:                   `postgres: key is missing, expected the columns that tell whether a row is there`,
		`{"sink":"main","table":"t","onConflict":"ignore"}`:                   `postgres: onConflict is "ignore", expected error, nothing or update`,
		`{"sink":"main","table":"t","key":["payload"]}`:                       `postgres: key is there without onConflict, expected nothing or update there`,
		`{"sink":"main","table":"t","onConflict":"nothing","key":["b"]}`:      `postgres: key[0] is "b", expected a column that is written, once`,
		`{"sink":"main","table":"t","members":["a","a"]}`:                     `postgres: members[1] is "a", expected a column that is not there already`,
		`{"sink":"main","table":"t","members":[1]}`:                           `postgres: members[0] is 1, expected a text`,
		`{"sink":"main","table":"t","members":[]}`:                            `postgres: members is an array of 0, expected 1 to 1600 items`,
		`{"sink":"main","table":"t","columns":{"a":1}}`:                       `postgres: columns.a is 1, expected a text`,
		`{"sink":"main","table":"t","batchSize":0}`:                           `postgres: batchSize is 0, expected a whole number from 1 to 10000`,
		`{"sink":"main","table":"t","dsn":"x"}`:                               `postgres: dsn is not known, expected batchSize, columns, key, members, mode, onConflict, sink, statement or table`,
		`{"sink":"main","table":"t","columns":{"a":"${x}","b":"${y}","":""}}`: `postgres: columns. is empty, expected a text such as ${temp} or $payload`,
		`{"sink":"main","table":"t_${topic(2)}"}`:                             `postgres: table is "t_${topic(2)}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"${a.b.c.d.e}"}`:                              `postgres: table is "${a.b.c.d.e}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"t","columns":{"c_${x}":"1"}}`:                `postgres: columns is "c_${x}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"t","members":["${x}"]}`:                      `postgres: members[0] is "${x}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"t","onConflict":"nothing","key":["${x}"]}`:   `postgres: key[0] is "${x}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"t","columns":{"a":"$temp"}}`:                 `postgres: columns.a is "$temp", expected $payload, $payload.member or a text with templates such as ${temp}`,
		`{"sink":"main","table":"t","columns":{"a":"$payload.b.c"}}`:          `postgres: columns.a is "$payload.b.c", expected the name of a member; what is nested in one is ${a.b}, a template, which sees the original message`,
		`{"sink":"main","statement":"INSERT INTO t VALUES ($payload.b.c)"}`:   `postgres: statement: line 1, column 33: $payload.b is followed by "." at once, expected the name of a member; what is nested in one is ${a.b}, a template, which sees the original message`,
	} {
		_, err := actions.Decode([]byte(`{"postgres":`+text+`}`), two)
		require.EqualError(t, err, want, text)
	}
	_, err = actions.Decode([]byte(`{"postgres":{"table":"t"}}`), postgres.Kinds())
	require.EqualError(t, err, `postgres: the host has no client for this action`)
	require.EqualError(t, main.Action(postgres.Action{Table: "t", BatchSize: -1}).Check(), "batchSize is -1, expected a whole number from 1 to 10000")
	require.EqualError(t, main.Action(postgres.Action{Table: "t", Mode: "x"}).Check(), `mode is "x", expected insert or copy`)
}

// Whoever is not found is named as far as that helps.
func TestKinds(t *testing.T) {
	t.Parallel()
	client := func(name string) *postgres.Client {
		return open(t, postgres.Config{Sink: actions.SinkConfig{Name: name}, DSN: "host=main"})
	}
	main, some, other := client("main"), client(""), client("")
	for _, c := range []struct {
		clients []*postgres.Client
		sink    string // with a comma behind it
		want    string
	}{
		{[]*postgres.Client{main}, `"sink":"third",`, `postgres: sink is "third", expected "main"`},
		{[]*postgres.Client{main, some}, `"sink":"third",`, `postgres: sink is "third", expected "default" or "main"`},
		{[]*postgres.Client{some, other}, ``, `postgres: two clients are called "default", expected names of their own (SinkConfig.Name)`},
		{[]*postgres.Client{some, main, other}, `"sink":"default",`, `postgres: two clients are called "default", expected names of their own (SinkConfig.Name)`},
		{[]*postgres.Client{some, main, other}, `"sink":"third",`, `postgres: two clients are called "default", expected names of their own (SinkConfig.Name)`},
	} {
		_, err := actions.Decode([]byte(`{"postgres":{`+c.sink+`"table":"t"}}`), postgres.Kinds(c.clients...))
		require.EqualError(t, err, c.want)
	}
	a, err := actions.Decode([]byte(`{"postgres":{"sink":"main","table":"t"}}`), postgres.Kinds(some, main, other))
	require.NoError(t, err)
	require.Same(t, main.Sink(), a.(actions.Sinked).Sink())
}
