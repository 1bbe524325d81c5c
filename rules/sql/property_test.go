package sql

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	exprlang "github.com/expr-lang/expr"
	"github.com/stretchr/testify/require"
)

// TestRandomStatements is FuzzEvaluate for statements and payloads that fit together.
func TestRandomStatements(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	compiled := 0
	for range 1500 {
		text, payload := randomStatement(throw(r)), randomPayload(throw(r))
		if _, err := Compile(text, Options{}); err == nil {
			compiled++
		}
		evaluate(t, text, []byte(payload))
	}
	require.Greater(t, compiled, 1000)
}

// TestPlan: many statements in one plan yield what each one yields alone.
func TestPlan(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 2))
	for range 15 {
		var list []*Statement
		for len(list) < 60 {
			if s, err := Compile(randomStatement(throw(r)), Options{Version: []Version{V2016, V2015}[r.IntN(2)]}); err == nil {
				list = append(list, s)
			}
		}
		plan := NewPlan(list...)
		for range 10 {
			m := message([]byte(randomPayload(throw(r))))
			run := plan.Begin(m)
			var outputs [][]byte
			var wanted []string
			for _, i := range r.Perm(len(list)) {
				want, wantErr := list[i].Evaluate(t.Context(), m)
				got, err := run.Eval(t.Context(), i)
				require.Equal(t, wantErr, err)
				require.Equal(t, want.Matched, got.Matched, list[i])
				require.Equal(t, want.Undefined, got.Undefined, list[i])
				outputs, wanted = append(outputs, got.Output), append(wanted, string(want.Output))
			}
			for i := range outputs { // what came first is still the same
				require.Equal(t, wanted[i], string(outputs[i]))
			}
			run.End()
		}
	}
}

// TestSameJSON compares = of arrays and objects with comparing what encoding/json makes
// of them.
func TestSameJSON(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	decode := func(s string) (v any) {
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		require.NoError(t, d.Decode(&v))
		return v
	}
	equals := 0
	for range 8000 {
		d := throw(r)
		a := randomJSON(d, 3)
		b := randomJSON(d, 3)
		if r.IntN(3) > 0 { // nearly the same
			b = strings.NewReplacer("10.0", "10", "1e3", "1000", "2.50", "2.5", " ", "", `\u00e9`, "é", "-0", "0").Replace(a)
			if r.IntN(4) == 0 {
				b = strings.Replace(b, "true", "false", 1)
			}
		}
		want := sameDecoded(decode(a), decode(b))
		if want {
			equals++
		}
		if a, b := strings.TrimSpace(a), strings.TrimSpace(b); want != sameJSON(a, b) || want != sameJSON(b, a) {
			t.Fatalf("%s = %s is not %v", a, b, want)
		}
	}
	require.Greater(t, equals, 500)
}

// exactExpr writes an expression of + - * and its exact value.
func exactExpr(r *rand.Rand, depth int) (string, *big.Rat) {
	if depth == 0 {
		s := strconv.Itoa(r.IntN(2000) - 1000)
		if r.IntN(2) == 0 {
			s += "." + strconv.Itoa(r.IntN(1000))
		}
		v, _ := new(big.Rat).SetString(s)
		return s, v
	}
	a, x := exactExpr(r, depth-1)
	b, y := exactExpr(r, depth-1-r.IntN(depth))
	v := new(big.Rat)
	switch r.IntN(3) {
	case 0:
		return "(" + a + " + " + b + ")", v.Add(x, y)
	case 1:
		return "(" + a + " - " + b + ")", v.Sub(x, y)
	}
	return "(" + a + " * " + b + ")", v.Mul(x, y)
}

// TestExactArithmetic: + - * are exact as long as there are digits, and comparisons say
// what is true.
func TestExactArithmetic(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	most, _ := new(big.Rat).SetString("1e16")
	for range 1500 {
		a, x := exactExpr(r, 2)
		b, y := exactExpr(r, 2)
		for _, v := range []*big.Rat{x, y} { // with 12 places: fewer than 34 digits on the way
			require.Negative(t, new(big.Rat).Abs(v).Cmp(most))
		}
		s, err := Compile(fmt.Sprintf("SELECT VALUE [%s, %s < %s, %s = %s, %s >= %s, %s] FROM '#'", a, a, b, a, b, a, b, b), Options{})
		require.NoError(t, err)
		res, err := s.Evaluate(t.Context(), message(nil))
		require.NoError(t, err)
		var got [5]json.Number
		out := strings.NewReplacer("true", "1", "false", "0").Replace(string(res.Output))
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		v, ok := new(big.Rat).SetString(got[0].String())
		require.True(t, ok)
		require.Zero(t, x.Cmp(v), "%s = %s, want %s", a, got[0], x.FloatString(12))
		is := func(b bool) json.Number {
			if b {
				return "1"
			}
			return "0"
		}
		c := x.Cmp(y)
		require.Equal(t, []json.Number{is(c < 0), is(c == 0), is(c >= 0)}, []json.Number{got[1], got[2], got[3]}, "%s and %s", a, b)
	}
}

// TestIntDivision: / and % of Ints, also of those that no int64 holds.
func TestIntDivision(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	number := func() string {
		s := strconv.FormatUint(r.Uint64()>>r.IntN(63), 10)
		if s != "0" && r.IntN(3) == 0 {
			s += strconv.FormatUint(r.Uint64N(1e10), 10)
		}
		return []string{"", "-"}[r.IntN(2)] + s
	}
	for range 1500 {
		a, b := number(), number()
		x, _ := new(big.Int).SetString(a, 10)
		y, _ := new(big.Int).SetString(b, 10)
		s, err := Compile("SELECT VALUE [a / b, a % b] FROM '#'", Options{})
		require.NoError(t, err)
		res, err := s.Evaluate(t.Context(), message([]byte(`{"a":`+a+`,"b":`+b+`}`)))
		require.NoError(t, err)
		want := "[]"
		if y.Sign() != 0 {
			q, m := new(big.Int).QuoRem(x, y, new(big.Int))
			want = fmt.Sprintf("[%s,%s]", q, m)
		}
		require.Equal(t, want, string(res.Output), "%s %s", a, b)
	}
}

// A twin is an expression in both languages, of a type: n(umber), b(oolean), s(tring).
type twin struct{ sql, expr string }

// twins writes an expression whose meaning is the same in SQL and in expr: numbers are
// such that a double is exact.
func twins(r *rand.Rand, kind byte, depth int) twin {
	leaf := func(sql, expr string) twin { return twin{sql, expr} }
	if depth == 0 {
		switch kind {
		case 'n':
			if r.IntN(2) == 0 {
				f := []string{"i", "d", "n"}[r.IntN(3)]
				return leaf(f, f)
			}
			s := strconv.Itoa(r.IntN(20)) + []string{"", ".5", ".25"}[r.IntN(3)]
			return leaf(s, s)
		case 'b':
			f := []string{"t", "f", "true", "false"}[r.IntN(4)]
			return leaf(f, f)
		}
		s := []string{"s", "u", "'ab'", "'Abc'", "' x '", "''", "'a,b'"}[r.IntN(7)]
		return leaf(s, strings.ReplaceAll(s, "'", `"`))
	}
	sub := func(kind byte) twin { return twins(r, kind, depth-1) }
	join := func(a twin, sqlOp, exprOp string, b twin) twin {
		return twin{"(" + a.sql + " " + sqlOp + " " + b.sql + ")", "(" + a.expr + " " + exprOp + " " + b.expr + ")"}
	}
	call := func(sqlName, exprName string, args ...twin) twin {
		var x, y []string
		for _, a := range args {
			x, y = append(x, a.sql), append(y, a.expr)
		}
		return twin{sqlName + "(" + strings.Join(x, ", ") + ")", exprName + "(" + strings.Join(y, ", ") + ")"}
	}
	switch kind {
	case 'n':
		switch r.IntN(9) {
		case 0:
			return call("abs", "abs", sub('n'))
		case 1:
			return call("ceil", "ceil", sub('n'))
		case 2:
			return call("floor", "floor", sub('n'))
		case 3:
			return call("length", "len", sub('s'))
		case 4:
			return call("indexof", "indexOf", sub('s'), sub('s'))
		case 5:
			x := sub('n')
			return twin{"-(" + x.sql + ")", "-(" + x.expr + ")"}
		case 6:
			c, a, b := sub('b'), sub('n'), sub('n')
			return twin{"CASE " + c.sql + " WHEN true THEN " + a.sql + " ELSE " + b.sql + " END", "(" + c.expr + " ? " + a.expr + " : " + b.expr + ")"}
		}
		op := []string{"+", "-", "*"}[r.IntN(3)]
		return join(sub('n'), op, op, sub('n'))
	case 'b':
		switch r.IntN(8) {
		case 0:
			x := sub('b')
			return twin{"(NOT " + x.sql + ")", "(not " + x.expr + ")"}
		case 1:
			return join(sub('b'), "AND", "and", sub('b'))
		case 2:
			return join(sub('b'), "OR", "or", sub('b'))
		case 3:
			x := call("startswith", "", sub('s'), sub('s'))
			args := strings.TrimSuffix(strings.TrimPrefix(x.expr, "("), ")")
			return twin{x.sql, "starts(" + args + ")"}
		case 4:
			kind := "nbs"[r.IntN(3)]
			return join(sub(kind), "=", "==", sub(kind))
		case 5:
			kind := "nbs"[r.IntN(3)]
			return join(sub(kind), "<>", "!=", sub(kind))
		}
		op := []string{"<", "<=", ">", ">="}[r.IntN(4)]
		return join(sub('n'), op, op, sub('n'))
	}
	switch r.IntN(6) {
	case 0:
		return call("lower", "lower", sub('s'))
	case 1:
		return call("upper", "upper", sub('s'))
	case 2:
		return call("trim", "trim", sub('s'))
	case 3:
		return call("replace", "replace", sub('s'), sub('s'), sub('s'))
	case 4:
		return call("concat", "concat2", sub('s'), sub('s'))
	}
	return join(sub('s'), "+", "+", sub('s'))
}

// TestAsExpr evaluates expressions whose meaning is the same in expr-lang/expr, in both.
func TestAsExpr(t *testing.T) {
	t.Parallel()
	env := map[string]any{
		"i": 5, "d": 2.75, "n": -7, "t": true, "f": false, "s": "hello", "u": "a€b",
		"starts":  strings.HasPrefix,
		"concat2": func(a, b string) string { return a + b },
	}
	const payload = `{"i":5,"d":2.75,"n":-7,"t":true,"f":false,"s":"hello","u":"a€b"}`
	r := rand.New(rand.NewPCG(6, 6))
	for range 2000 {
		kind := "nbs"[r.IntN(3)]
		x := twins(r, kind, 1+r.IntN(4))
		if strings.Contains(x.expr, "len(") || strings.Contains(x.expr, "indexOf(") {
			x.sql, x.expr = strings.ReplaceAll(x.sql, "u", "s"), strings.ReplaceAll(x.expr, "u", "s") // expr counts bytes in one and characters in the other
			x.sql, x.expr = strings.ReplaceAll(x.sql, "spper", "upper"), strings.ReplaceAll(x.expr, "spper", "upper")
			x.sql, x.expr = strings.ReplaceAll(x.sql, "trse", "true"), strings.ReplaceAll(x.expr, "trse", "true")
		}
		p, err := exprlang.Compile(x.expr, exprlang.Env(env))
		require.NoError(t, err, x.expr)
		want, err := exprlang.Run(p, env)
		require.NoError(t, err, x.expr)
		s, err := Compile("SELECT VALUE "+x.sql+" FROM '#'", Options{})
		require.NoError(t, err, x.sql)
		res, err := s.Evaluate(t.Context(), message([]byte(payload)))
		require.NoError(t, err)
		told := fmt.Sprintf("%s\n%s", x.sql, x.expr)
		if kind != 'n' {
			w, err := json.Marshal(want)
			require.NoError(t, err)
			require.JSONEq(t, string(w), string(res.Output), told)
			continue
		}
		w, ok := new(big.Rat).SetString(fmt.Sprint(want))
		if f, isFloat := want.(float64); isFloat {
			w, ok = new(big.Rat).SetFloat64(f), true
		}
		require.True(t, ok, want)
		g, ok := new(big.Rat).SetString(string(res.Output))
		require.True(t, ok, told)
		require.Zero(t, w.Cmp(g), "%s\ngot %s, want %v", told, res.Output, want)
	}
}
