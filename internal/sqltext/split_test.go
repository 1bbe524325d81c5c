package sqltext_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/sqltext"
	"github.com/thinghub/thinghub/rules/sql"
)

func number(i int) string { return fmt.Sprintf("$%d", i+1) }

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		dialect    sqltext.Dialect
		want       string
		templates  []string
	}{
		{"no template", "select 1", sqltext.Postgres, "select 1", nil},
		{"insert", "INSERT INTO t(a,b) VALUES (${clientid()}, ${temp})", sqltext.Postgres, "INSERT INTO t(a,b) VALUES ($1, $2)", []string{"${clientid()}", "${temp}"}},
		{"cast", "select ${a}::int, -${b}", sqltext.Postgres, "select $1::int, -$2", []string{"${a}", "${b}"}},
		{"semicolon", "select ${a} ; -- done ${b}\n ", sqltext.Postgres, "select $1 ", []string{"${a}"}},
		{"line comment", "select -- ${x}\n${a}", sqltext.Postgres, "select -- ${x}\n$1", []string{"${a}"}},
		{"nested comment", "select /* /* ${x} */ ' */ ${a}", sqltext.Postgres, "select /* /* ${x} */ ' */ $1", []string{"${a}"}},
		{"flat comment", "select /* /* ${x} */ ${a}", sqltext.MySQL, "select /* /* ${x} */ $1", []string{"${a}"}},
		{"hash comment", "select # it's ${x}\n ${a}", sqltext.MySQL, "select # it's ${x}\n $1", []string{"${a}"}},
		{"minus minus", "select 5--${a}", sqltext.MySQL, "select 5--$1", []string{"${a}"}},
		{"literals", `select 'it''s ;', "a""b;", ${a}`, sqltext.Postgres, `select 'it''s ;', "a""b;", $1`, []string{"${a}"}},
		{"backslash is plain", `select '\', ${a}`, sqltext.Postgres, `select '\', $1`, []string{"${a}"}},
		{"escape literal", `select E'\'', ${a}`, sqltext.Postgres, `select E'\'', $1`, []string{"${a}"}},
		{"a name that ends in e", `select type '\', ${a}`, sqltext.Postgres, `select type '\', $1`, []string{"${a}"}},
		{"backslash in MySQL", `select '\'', "\"", ${a}`, sqltext.MySQL, `select '\'', "\"", $1`, []string{"${a}"}},
		{"backticks", "select `it's` , ${a}", sqltext.MySQL, "select `it's` , $1", []string{"${a}"}},
		{"dollar quotes", "select $$;'$$, $a$ $$ $b$ $a$, ${a}", sqltext.Postgres, "select $$;'$$, $a$ $$ $b$ $a$, $1", []string{"${a}"}},
		{"dollar in a name", "select a$b$c, ${a}, d$b$", sqltext.Postgres, "select a$b$c, $1, d$b$", []string{"${a}"}},
		{"operators of documents", "select doc ? 'a', doc->>'b', doc @> ${a}", sqltext.Postgres, "select doc ? 'a', doc->>'b', doc @> $1", []string{"${a}"}},
		{"braces and quotes in a template", "select ${ get({'a}': 1}, \"}\") } x", sqltext.Postgres, "select $1 x", []string{"${ get({'a}': 1}, \"}\") }"}},
		{"quotes twice in a template", "select ${'it''s }'}", sqltext.Postgres, "select $1", []string{"${'it''s }'}"}},
		{"payload", "insert into t values ($payload, $payload::jsonb, f($payload.temp, ($payload.a)[1]))", sqltext.Postgres, "insert into t values ($1, $2::jsonb, f($3, ($4)[1]))", []string{"$payload", "$payload", "$payload.temp", "$payload.a"}},
		{"payload in MySQL", "insert into t values ($payload,$payload.temp)", sqltext.MySQL, "insert into t values ($1,$2)", []string{"$payload", "$payload.temp"}},
		{"dollar quotes with the word payload", "select $payload$ ' $payload$, ${a}", sqltext.Postgres, "select $payload$ ' $payload$, $1", []string{"${a}"}},
		{"not ASCII", "select 'é', ${a}, ñ", sqltext.Postgres, "select 'é', $1, ñ", []string{"${a}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := sqltext.Split(c.text, c.dialect)
			require.NoError(t, err)
			require.Equal(t, c.want, s.Join(number))
			require.Equal(t, c.templates, s.Values)
		})
	}
}

func TestSplitRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		dialect    sqltext.Dialect
		want       string
	}{
		{"empty", " -- nothing\n", sqltext.Postgres, "line 1, column 1: there is no statement"},
		{"only a semicolon", " ;", sqltext.Postgres, "line 1, column 1: there is no statement"},
		{"in a literal", "insert into t\n values ('é ${temp}')", sqltext.Postgres, "line 2, column 13: a template is in a literal, expected it outside of quotes: it stands for a value"},
		{"in an escape literal", `select E'\'${temp}'`, sqltext.Postgres, "line 1, column 12: a template is in a literal, expected it outside of quotes: it stands for a value"},
		{"in dollar quotes", "select $a$ ${temp} $a$", sqltext.Postgres, "line 1, column 12: a template is in a literal, expected it outside of quotes: it stands for a value"},
		{"in a name", `insert into "${table}" values (1)`, sqltext.Postgres, "line 1, column 14: a template is in a quoted name, expected it outside of quotes: it stands for a value"},
		{"in backticks", "insert into `${table}` values (1)", sqltext.MySQL, "line 1, column 14: a template is in a quoted name, expected it outside of quotes: it stands for a value"},
		{"in a literal of MySQL", `select "${x}"`, sqltext.MySQL, "line 1, column 9: a template is in a literal, expected it outside of quotes: it stands for a value"},
		{"at a name", "insert into t_${x} values (1)", sqltext.Postgres, "line 1, column 15: a template stands at the end of the name t_, expected a value"},
		{"before a name", "select ${x}a", sqltext.Postgres, `line 1, column 12: a value is followed by "a" at once, expected a space or a sign`},
		{"before a digit", "select ${x}1", sqltext.Postgres, `line 1, column 12: a value is followed by "1" at once, expected a space or a sign`},
		{"two", "select ${x}${y}", sqltext.Postgres, `line 1, column 12: a value is followed by "$" at once, expected a space or a sign`},
		{"nested", "select $payload.a.b", sqltext.MySQL, `line 1, column 18: $payload.a is followed by "." at once, expected the name of a member; what is nested in one is ${a.b}, a template, which sees the original message`},
		{"an item", "select $payload.a[1]", sqltext.Postgres, `line 1, column 18: $payload.a is followed by "[" at once, expected the name of a member; what is nested in one is ${a.b}, a template, which sees the original message`},
		{"own placeholders", "select $1", sqltext.Postgres, "line 1, column 8: there is $1, expected values as ${...}"},
		{"own question marks", "select ?", sqltext.MySQL, "line 1, column 8: there is a ?, expected values as ${...}"},
		{"two statements", "select ${x}; drop table t", sqltext.Postgres, "line 1, column 14: something follows the semicolon, expected one statement"},
		{"two semicolons", "select 1;;", sqltext.Postgres, "line 1, column 10: something follows the semicolon, expected one statement"},
		{"open literal", "select 'a", sqltext.Postgres, "line 1, column 8: a literal has no closing '"},
		{"open literal that ends in a backslash", `select 'a\`, sqltext.MySQL, "line 1, column 8: a literal has no closing '"},
		{"open dollar quotes", "select $$a", sqltext.Postgres, "line 1, column 8: a literal has no closing $$"},
		{"open comment", "select /* /* */", sqltext.Postgres, "line 1, column 8: a comment has no closing */"},
		{"executed comment", "select /*! ${x} */", sqltext.MySQL, "line 1, column 8: there is a comment that the server executes, expected none"},
		{"open template", "select ${a", sqltext.Postgres, "line 1, column 8: a template has no closing }"},
		{"open text in a template", "select ${'a}", sqltext.Postgres, "line 1, column 10: a text in a template has no closing '"},
		{"empty template", "select ${ }", sqltext.Postgres, "line 1, column 8: a template is empty"},
		{"zero", "select '\x00'", sqltext.Postgres, "line 1, column 9: a statement has no zero byte"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := sqltext.Split(c.text, c.dialect)
			require.EqualError(t, err, c.want)
			var e *sqltext.Error
			require.ErrorAs(t, err, &e)
		})
	}
}

// A mistake in a template is reported with its place in the statement.
func TestSources(t *testing.T) {
	t.Parallel()
	text := "insert into é values (${a +},\n  $payload.b, ${ b c })"
	s, err := sqltext.Split(text, sqltext.Postgres)
	require.NoError(t, err)
	from := s.Sources()
	require.Len(t, from, 3)
	require.Equal(t, sqltext.Source{Member: "b"}, from[1])
	statement, err := sql.Compile("SELECT * FROM 'a'", sql.Options{})
	require.NoError(t, err)
	var e *sql.Error
	_, err = statement.Template(from[0].Template, sql.Options{})
	require.ErrorAs(t, err, &e)
	require.Equal(t, []int{1, 28}, []int{e.Line, e.Column}, e.Message) // at the }
	_, err = statement.Template(from[2].Template, sql.Options{})
	require.ErrorAs(t, err, &e)
	require.Equal(t, []int{2, 20}, []int{e.Line, e.Column}, e.Message) // at the c
}

func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"INSERT INTO t(a,b) VALUES (${clientid()}, ${temp});",
		`select 'a''b', "c", E'\'', $$d$$, $e$f$e$, g$h -- i` + "\n/* /* */ */ ${j}",
		"select `a`, \"b\\\"\", 'c\\'', # d\n 5--1, ${'}'}, /* e */ ${f} ;",
	} {
		f.Add(text+" $payload.a$payload", false)
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, mysql bool) {
		d := sqltext.Postgres
		if mysql {
			d = sqltext.MySQL
		}
		s, err := sqltext.Split(text, d)
		if err != nil {
			return
		}
		require.Len(t, s.Parts, len(s.Values)+1)
		whole := s.Join(func(i int) string { return s.Values[i] })
		require.True(t, strings.HasPrefix(text, whole))
		for _, template := range s.Values {
			require.True(t, strings.HasPrefix(template, sqltext.Payload) || strings.HasPrefix(template, "${") && strings.HasSuffix(template, "}"), template)
		}
		// What is in the templates changes nothing outside of them.
		again, err := sqltext.Split(s.Join(func(int) string { return "${x}" }), d)
		require.NoError(t, err)
		require.Equal(t, s.Parts, again.Parts)
	})
}
