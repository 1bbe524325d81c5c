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

func TestMembers(t *testing.T) {
	t.Parallel()
	values, err := sqltext.Members([]byte(` { "a" : 1.50 , "b": {"c" : [ 1 ]} ,"d":"x","d":null, "e": true } `), []string{"b", "a", "missing", "d", "e"})
	require.NoError(t, err)
	require.Equal(t, []string{`{"c" : [ 1 ]}`, "1.50", "null", "null", "true"}, values)
	for _, payload := range []string{"", "1", "null", "[]", "{"} {
		_, err := sqltext.Members([]byte(payload), nil)
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
	names, templates, err := sqltext.Row{}.Names()
	require.NoError(t, err)
	require.Equal(t, []string{"payload"}, names)
	require.Zero(t, templates)
	require.True(t, sqltext.Row{}.HasPayload())

	r := sqltext.Row{Columns: map[string]string{"b": "1", "a": "2"}, Members: []string{"z", "y"}, Payload: "p"}
	names, templates, err = r.Names()
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "z", "y", "p"}, names)
	require.Equal(t, 2, templates)
	require.True(t, r.HasPayload())
	require.False(t, sqltext.Row{Members: []string{"a"}}.HasPayload())

	for want, r := range map[string]sqltext.Row{
		`payload is "a", expected a column that is not there already`:    {Columns: map[string]string{"a": "1"}, Payload: "a"},
		`members[1] is "b", expected a column that is not there already`: {Members: []string{"b", "b"}},
		`members[0] is an empty name, expected the name of a column`:     {Members: []string{""}},
		`columns is 1601 columns, expected at most 1600`:                 {Members: make([]string, 1601)},
	} {
		_, _, err := r.Names()
		require.EqualError(t, err, want)
	}
}
