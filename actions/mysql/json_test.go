package mysql_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mysql"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	main := open(t, mysql.Config{Sink: actions.SinkConfig{Name: "main"}, DSN: "u@tcp(main)/db"})
	other := open(t, mysql.Config{Sink: actions.SinkConfig{Name: "other"}, DSN: "u@tcp(other)/db"})
	one, two := mysql.Kinds(main), mysql.Kinds(main, other)
	for _, text := range []string{
		`{"mysql":{"table":"t"}}`,
		`{"mysql":{"sink":"main","table":"plant.t","columns":{"a":"${x} y","b":"$payload"},"members":["c"],"onConflict":"update","key":["a","c"],"batchSize":7}}`,
		`{"mysql":{"sink":"main","statement":"INSERT INTO t VALUES (${a < 3}, $payload)"}}`,
	} {
		a, err := actions.Decode([]byte(text), one)
		require.NoError(t, err, text)
		require.Same(t, main.Sink(), a.(actions.Sinked).Sink())
		back, ok, err := actions.Encode(a, one)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, text, string(back))
	}
	a, err := actions.Decode([]byte(`{"mysql":{"sink":"other","table":"t"}}`), two)
	require.NoError(t, err)
	require.Same(t, other.Sink(), a.(actions.Sinked).Sink())
	require.Equal(t, "t", a.(actions.Named).Resource(actions.Event{}))

	for text, want := range map[string]string{
		`{"table":"t"}`:                                                     `mysql: sink is missing, expected "main" or "other"`,
		`{"table":"t","sink":"third"}`:                                      `mysql: sink is "third", expected "main" or "other"`,
		`{"sink":"main"}`:                                                   `mysql: table is missing, expected a table, or a statement`,
		`{"sink":"main","table":"a.b.c"}`:                                   `mysql: table is "a.b.c", expected the name of a table, with that of its database and a point before it at most`,
		`{"sink":"main","table":"t","statement":"select 1"}`:                `mysql: table is there beside statement, expected one of statement and table`,
		`{"sink":"main","statement":"select 1","members":["a"]}`:            `mysql: members is there beside statement, expected one of statement and table`,
		`{"sink":"main","statement":"select \"${a}\""}`:                     `mysql: statement: line 1, column 9: a template is in a literal, expected it outside of quotes: it stands for a value`,
		`{"sink":"main","statement":"select ?"}`:                            `mysql: statement: line 1, column 8: there is a ?, expected values as ${...}`,
		`{"sink":"main","table":"t","onConflict":"update"}`:                 `mysql: key is missing, expected the columns that tell whether a row is there`,
		`{"sink":"main","table":"t","onConflict":"ignore"}`:                 `mysql: onConflict is "ignore", expected error, nothing or update`,
		`{"sink":"main","table":"t","key":["payload"]}`:                     `mysql: key is there without onConflict, expected nothing or update there`,
		`{"sink":"main","table":"t","onConflict":"nothing","key":["b"]}`:    `mysql: key[0] is "b", expected a column that is written, once`,
		`{"sink":"main","table":"t","members":["a","a"]}`:                   `mysql: members[1] is "a", expected a column that is not there already`,
		`{"sink":"main","table":"t","members":[1]}`:                         `mysql: members[0] is 1, expected a text`,
		`{"sink":"main","table":"t","columns":{"a":1}}`:                     `mysql: columns.a is 1, expected a text`,
		`{"sink":"main","table":"t","batchSize":0}`:                         `mysql: batchSize is 0, expected a whole number from 1 to 10000`,
		`{"sink":"main","table":"t","dsn":"x"}`:                             `mysql: dsn is not known, expected batchSize, columns, key, members, onConflict, sink, statement or table`,
		`{"sink":"main","table":"t_${topic(2)}"}`:                           `mysql: table is "t_${topic(2)}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"${a.b.c.d.e}"}`:                            `mysql: table is "${a.b.c.d.e}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"t","columns":{"c_${x}":"1"}}`:              `mysql: columns is "c_${x}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"t","members":["${x}"]}`:                    `mysql: members[0] is "${x}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"t","onConflict":"nothing","key":["${x}"]}`: `mysql: key[0] is "${x}", expected a name without templates: they stand for values, not for names`,
		`{"sink":"main","table":"t","columns":{"a":"$temp"}}`:               `mysql: columns.a is "$temp", expected $payload, $payload.member or a text with templates such as ${temp}`,
		`{"sink":"main","table":"t","columns":{"a":"$payload.b.c"}}`:        `mysql: columns.a is "$payload.b.c", expected the name of a member; what is nested in one is ${a.b}, a template, which sees the original message`,
		`{"sink":"main","statement":"INSERT INTO t VALUES ($payload.b.c)"}`: `mysql: statement: line 1, column 33: $payload.b is followed by "." at once, expected the name of a member; what is nested in one is ${a.b}, a template, which sees the original message`,
	} {
		_, err := actions.Decode([]byte(`{"mysql":`+text+`}`), two)
		require.EqualError(t, err, want, text)
	}
	_, err = actions.Decode([]byte(`{"mysql":{"table":"t"}}`), mysql.Kinds())
	require.EqualError(t, err, `mysql: the host has no client for this action`)
	require.EqualError(t, main.Action(mysql.Action{Table: "t", BatchSize: -1}).Check(), "batchSize is -1, expected a whole number from 1 to 10000")
}

// Whoever is not found is named as far as that helps.
func TestKinds(t *testing.T) {
	t.Parallel()
	client := func(name string) *mysql.Client {
		return open(t, mysql.Config{Sink: actions.SinkConfig{Name: name}, DSN: "u@tcp(main)/db"})
	}
	main, some, other := client("main"), client(""), client("")
	for _, c := range []struct {
		clients []*mysql.Client
		sink    string // with a comma behind it
		want    string
	}{
		{[]*mysql.Client{main}, `"sink":"third",`, `mysql: sink is "third", expected "main"`},
		{[]*mysql.Client{main, some}, `"sink":"third",`, `mysql: sink is "third", expected "default" or "main"`},
		{[]*mysql.Client{some, other}, ``, `mysql: two clients are called "default", expected names of their own (SinkConfig.Name)`},
		{[]*mysql.Client{some, main, other}, `"sink":"default",`, `mysql: two clients are called "default", expected names of their own (SinkConfig.Name)`},
		{[]*mysql.Client{some, main, other}, `"sink":"third",`, `mysql: two clients are called "default", expected names of their own (SinkConfig.Name)`},
	} {
		_, err := actions.Decode([]byte(`{"mysql":{`+c.sink+`"table":"t"}}`), mysql.Kinds(c.clients...))
		require.EqualError(t, err, c.want)
	}
	a, err := actions.Decode([]byte(`{"mysql":{"sink":"main","table":"t"}}`), mysql.Kinds(some, main, other))
	require.NoError(t, err)
	require.Same(t, main.Sink(), a.(actions.Sinked).Sink())
}
