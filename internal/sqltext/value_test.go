package sqltext_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/sqltext"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sqltext.Value{
		"null":            {},
		"true":            {Kind: sqltext.Bool, Text: "true"},
		"-1.50":           {Kind: sqltext.Number, Text: "-1.50"},
		`""`:              {Kind: sqltext.Text},
		`"a'b"`:           {Kind: sqltext.Text, Text: "a'b"},
		`"\"\u00e9\n\\"`:  {Kind: sqltext.Text, Text: "\"é\n\\"},
		`{"a": 1}`:        {Kind: sqltext.Document, Text: `{"a": 1}`},
		`[1,"a"]`:         {Kind: sqltext.Array, Text: `[1,"a"]`},
		`"'; DROP TABLE"`: {Kind: sqltext.Text, Text: "'; DROP TABLE"},
	} {
		v, err := sqltext.Read(text)
		require.NoError(t, err, text)
		require.Equal(t, want, v, text)
	}
	for _, text := range []string{"", "x", `"`, `"\x"`, "+1"} {
		_, err := sqltext.Read(text)
		require.Error(t, err, text)
	}
}

func TestInteger(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"31": "31", "-31": "-31", "31.0": "31", "3.1e1": "31", "3100E-2": "31", "-3.10e+2": "-310", "0.0": "0", "-0.0": "0",
		"1e3": "1000", "9223372036854775807.00": "9223372036854775807", "31.5": "", "1e-1": "", "1e41": "", "1e99999999999": "", "0.1e1": "1",
	} {
		got, ok := sqltext.Integer(number)
		require.Equal(t, want, got, number)
		require.Equal(t, want != "", ok, number)
	}
}

func FuzzInteger(f *testing.F) {
	for _, n := range []string{"1", "-0.0", "1e3", "12.340e2", "100e-2", "0e-5"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, number string) {
		if len(number) > 60 || !json.Valid([]byte(number)) || strings.Trim(number, "0123456789.eE+-") != "" {
			return
		}
		whole, ok := sqltext.Integer(number)
		if !ok {
			return
		}
		want, ok := new(big.Rat).SetString(number)
		require.True(t, ok)
		got, ok := new(big.Int).SetString(whole, 10)
		require.True(t, ok, whole)
		require.Zero(t, want.Cmp(new(big.Rat).SetInt(got)), "%s became %s", number, whole)
	})
}

func TestTime(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"0":                  "1970-01-01T00:00:00Z",
		"1700000000123":      "2023-11-14T22:13:20.123Z",
		"1.700000000123e12":  "2023-11-14T22:13:20.123Z",
		"1700000000123.4567": "2023-11-14T22:13:20.123457Z",
		"-1":                 "1969-12-31T23:59:59.999Z",
	} {
		at, ok := sqltext.Time(number)
		require.True(t, ok, number)
		require.Equal(t, want, at.Format("2006-01-02T15:04:05.999999999Z07:00"), number)
	}
	for _, number := range []string{"1e15", "-1e14", "1e30", "1e400", "99999999999999999999", "1.5e300"} {
		_, ok := sqltext.Time(number)
		require.False(t, ok, number)
	}
}

func TestSourcesAppend(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sqltext.Source{
		"$payload":      {},
		"$payload.a.b ": {Member: "a.b "},
		"$payload.":     {Template: "$payload."},
		"$payloads":     {Template: "$payloads"},
		"${payload}":    {Template: "${payload}"},
		"x":             {Template: "x"},
	} {
		require.Equal(t, want, sqltext.SourceOf(text), text)
	}

	from := sqltext.Sources{{Member: "b"}, {Template: "x"}, {}, {Member: "a"}, {Member: "missing"}, {Template: "y"}, {Member: "d"}, {Member: "e"}}
	payload := ` { "a" : 1.50 , "b": {"c" : [ 1 ]} ,"d":"x","d":null, "e": true } `
	values, err := from.Append(nil, []string{`"X"`, "7"}, []byte(payload))
	require.NoError(t, err)
	require.Equal(t, []sqltext.Value{
		{Kind: sqltext.Document, Text: `{"c" : [ 1 ]}`},
		{Kind: sqltext.Text, Text: "X"},
		{Kind: sqltext.Raw, Text: payload},
		{Kind: sqltext.Number, Text: "1.50"},
		{},
		{Kind: sqltext.Number, Text: "7"},
		{},
		{Kind: sqltext.Bool, Text: "true"},
	}, values)
	for _, payload := range []string{"", "1", "null", "[]", "{"} {
		_, err := sqltext.Sources{{Member: "a"}}.Append(nil, nil, []byte(payload))
		require.EqualError(t, err, "the payload is not a JSON object")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"a""b"`, sqltext.Name(`a"b`, '"'))
	require.Equal(t, "`s`.`a``b`", sqltext.Table("s.a`b", '`'))
	require.NoError(t, sqltext.CheckTable("a.b.c"))
	for _, name := range []string{"", "a.", "a.b.c.d", "a\x00", "\xff", strings.Repeat("x", 300)} {
		require.Error(t, sqltext.CheckTable(name), name)
	}
}

func TestRow(t *testing.T) {
	t.Parallel()
	names, from, err := sqltext.Row(nil, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"payload"}, names)
	require.Equal(t, sqltext.Sources{{}}, from)

	names, from, err = sqltext.Row(map[string]string{"b": "${x}", "a": "$payload"}, []string{"z", "y"})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "z", "y"}, names)
	require.Equal(t, sqltext.Sources{{}, {Template: "${x}"}, {Member: "z"}, {Member: "y"}}, from)

	_, from, err = sqltext.Row(map[string]string{"a": "$payload.two words", "b": "5 $", "c": "${'$'}5", "d": "x $payload.b.c"}, nil)
	require.NoError(t, err)
	require.Equal(t, sqltext.Sources{{Member: "two words"}, {Template: "5 $"}, {Template: "${'$'}5"}, {Template: "x $payload.b.c"}}, from)

	for _, c := range []struct {
		columns map[string]string
		members []string
		want    string
	}{
		{map[string]string{"a": "1"}, []string{"a"}, `members[0] is "a", expected a column that is not there already`},
		{nil, []string{"b", "b"}, `members[1] is "b", expected a column that is not there already`},
		{nil, []string{""}, `members[0] is an empty name, expected the name of a column`},
		{map[string]string{"": "1"}, nil, `columns is an empty name, expected the name of a column`},
		{map[string]string{"a": ""}, nil, `columns.a is empty, expected a text such as ${temp} or $payload`},
		{map[string]string{"a": "$payloads"}, nil, `columns.a is "$payloads", expected $payload, $payload.member or a text with templates such as ${temp}`},
		{map[string]string{"a": "$temp"}, nil, `columns.a is "$temp", expected $payload, $payload.member or a text with templates such as ${temp}`},
		{map[string]string{"a": "$"}, nil, `columns.a is "$", expected $payload, $payload.member or a text with templates such as ${temp}`},
		{map[string]string{"a": "$payload."}, nil, `columns.a is "$payload.", expected $payload, $payload.member or a text with templates such as ${temp}`},
		{map[string]string{"a": "$payload ${x}"}, nil, `columns.a is "$payload ${x}", expected $payload, $payload.member or a text with templates such as ${temp}`},
		{map[string]string{"a": "$payload.${x.y}"}, nil, `columns.a is "$payload.${x.y}", expected $payload, $payload.member or a text with templates such as ${temp}`},
		{map[string]string{"a": "$payload.b.c"}, nil, `columns.a is "$payload.b.c", expected the name of a member; what is nested in one is ${a.b}, a template, which sees the original message`},
		{map[string]string{"a": "$payload.b[0]"}, nil, `columns.a is "$payload.b[0]", expected the name of a member; what is nested in one is ${a.b}, a template, which sees the original message`},
		{map[string]string{"a${x}": "1"}, nil, `columns is "a${x}", expected a name without templates: they stand for values, not for names`},
		{nil, []string{"${x}"}, `members[0] is "${x}", expected a name without templates: they stand for values, not for names`},
		{nil, make([]string, 1601), `columns is 1601 columns, expected at most 1600`},
	} {
		_, _, err := sqltext.Row(c.columns, c.members)
		require.EqualError(t, err, c.want)
	}
}
