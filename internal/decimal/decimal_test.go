package decimal_test

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/decimal"
)

func parse(t testing.TB, s string) decimal.Decimal {
	t.Helper()
	d, ok := decimal.Parse(s)
	require.True(t, ok, s)
	return d
}

func TestParse(t *testing.T) {
	t.Parallel()
	nines := strings.Repeat("9", decimal.Digits)
	for in, want := range map[string]string{
		"0":                                      "0",
		"-0":                                     "0",
		"007":                                    "7",
		"12.50":                                  "12.50",
		"-12.50":                                 "-12.50",
		"1e3":                                    "1E+3",
		"1E-3":                                   "0.001",
		"1e+3":                                   "1E+3",
		"1.5e3":                                  "1.5E+3",
		"123e-2":                                 "1.23",
		"0.000001":                               "0.000001",
		"0.0000001":                              "1E-7",
		"0.00":                                   "0.00",
		nines:                                    nines,
		"1" + nines:                              "2.000000000000000000000000000000000E+34", // half to even, with a carry
		nines + "9":                              "1.000000000000000000000000000000000E+35",
		nines + "4":                              "9.999999999999999999999999999999999E+34",
		"12345678901234567890123456789012345":    "1.234567890123456789012345678901234E+34", // ...2345|5? the 35th digit is 5, before it an even one
		"12345678901234567890123456789012335":    "1.234567890123456789012345678901234E+34", // before it an odd one
		"123456789012345678901234567890123450.1": "1.234567890123456789012345678901235E+35", // a little more than a half
		"9.9e999":                                "9.9E+999",
		"9" + strings.Repeat("9", 33) + "e966":   "9.999999999999999999999999999999999E+999",
		"1e-999":                                 "1E-999",
		"1e-1000":                                "0",
		"-1e-1000":                               "0",
		"1e-999999999":                           "0",
		"0e-999999999":                           "0E-999",
		"0e999999999":                            "0E+999",
	} {
		require.Equal(t, want, parse(t, in).String(), in)
	}
	for _, in := range []string{
		"", "-", "+1", ".5", "5.", "-.5", "1e", "1e+", "1e-", "e5", "1 ", " 1", "1.2.3", "0x1", "1_000", "Infinity", "NaN", "1e1000", "-1e1000",
		"9.99999999999999999999999999999999999e999", "1e99999999999999999999", "1e-99999999999999999999x", "--1", "1e1.5", "1e--5",
	} {
		_, ok := decimal.Parse(in)
		require.False(t, ok, in)
	}
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, op, b, want string }{
		{"0.1", "+", "0.2", "0.3"},
		{"1.50", "+", "1.5", "3.00"},
		{"1e999", "+", "1e-999", "1.000000000000000000000000000000000E+999"},
		{"9e999", "+", "9e999", ""},
		{"-9e999", "+", "9e999", "0E+999"},
		{"1e-999", "-", "1e-999", "0E-999"},
		{"5", "-", "7", "-2"},
		{"1.5", "*", "1.5", "2.25"},
		{"1e600", "*", "1e600", ""},
		{"1e-600", "*", "1e-600", "0"},
		{"0", "*", "9e999", "0E+999"},
		{"9999999999999999999999999999999999", "*", "9999999999999999999999999999999999", "9.999999999999999999999999999999998E+67"},
		{"1", "/", "3", "0.3333333333333333333333333333333333"},
		{"2", "/", "3", "0.6666666666666666666666666666666667"},
		{"-2", "/", "3", "-0.6666666666666666666666666666666667"},
		{"1", "/", "8", "0.125"},
		{"6", "/", "2", "3"},
		{"1.20", "/", "2", "0.60"},
		{"1e999", "/", "1e-999", ""},
		{"1e-999", "/", "1e999", "0"},
		{"1", "/", "0", ""},
		{"0", "/", "5", "0"},
		{"7", "//", "2", "3"},
		{"-7", "//", "2", "-3"},
		{"7", "//", "0", ""},
		{"7.5", "%", "2", "1.5"},
		{"-7.5", "%", "2", "-1.5"},
		{"7", "%", "-3", "1"},
		{"7", "%", "0", ""},
		{"1e999", "%", "7", "6"},
		{"1", "%", "1e-999", "0E-999"},
	} {
		a, b := parse(t, c.a), parse(t, c.b)
		got, ok := calculate(a, c.op, b)
		require.Equal(t, c.want != "", ok, "%v", c)
		if ok {
			require.Equal(t, c.want, got.String(), "%v", c)
		}
	}
}

func calculate(a decimal.Decimal, op string, b decimal.Decimal) (decimal.Decimal, bool) {
	switch op {
	case "+":
		return a.Add(b)
	case "-":
		return a.Sub(b)
	case "*":
		return a.Mul(b)
	case "/":
		return a.Quo(b)
	case "//":
		return a.QuoInt(b)
	}
	return a.Rem(b)
}

func TestRound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in                      string
		places                  int
		down, floor, ceil, half string
	}{
		{"2.5", 0, "2", "2", "3", "3"},
		{"-2.5", 0, "-2", "-3", "-2", "-3"},
		{"0.4", 0, "0", "0", "1", "0"},
		{"-0.4", 0, "0", "-1", "0", "0"},
		{"2.345", 2, "2.34", "2.34", "2.35", "2.35"},
		{"-2.345", 2, "-2.34", "-2.35", "-2.34", "-2.35"},
		{"2", 5, "2", "2", "2", "2"},
		{"1e-999", 0, "0", "0", "1", "0"},
		{"-1e-999", 0, "0", "-1", "0", "0"},
		{"1e999", 34, "1E+999", "1E+999", "1E+999", "1E+999"},
		{"9.99", 1, "9.9", "9.9", "10.0", "10.0"},
	} {
		d := parse(t, c.in)
		for way, want := range map[decimal.Rounding]string{decimal.Down: c.down, decimal.Floor: c.floor, decimal.Ceil: c.ceil, decimal.HalfUp: c.half} {
			require.Equal(t, want, d.Round(c.places, way).String(), "%s %d", c.in, way)
		}
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"10.0": "10", "1e3": "1000", "0.000": "0", "0e999": "0", "-5": "-5", "1.5": "", "1e33": "1" + strings.Repeat("0", 33), "1e34": "", "12e33": "",
		"1.2345e4": "12345", "1e-999": "",
	} {
		w, ok := parse(t, in).Whole()
		require.Equal(t, want != "", ok, in)
		if ok {
			require.Equal(t, want, w.String(), in)
		}
	}
}

func TestZeroValue(t *testing.T) {
	t.Parallel()
	var zero decimal.Decimal
	five := decimal.New(5, 0)
	require.Equal(t, "0", zero.String())
	require.Equal(t, 0, zero.Sign())
	require.Equal(t, -1, zero.Cmp(five))
	require.Equal(t, "0", zero.Neg().String())
	require.Equal(t, "0", zero.Strip().String())
	require.Zero(t, zero.Float())
	for _, op := range []string{"+", "-", "*", "/", "//", "%"} {
		_, ok := calculate(zero, op, five)
		require.True(t, ok, op)
	}
	n, exp, ok := zero.Small()
	require.True(t, ok)
	require.Zero(t, n)
	require.Zero(t, exp)
}

// rat is the exact value.
func rat(t testing.TB, d decimal.Decimal) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(d.String())
	require.True(t, ok, d.String())
	return r
}

// random returns a number of up to 34 digits; small exponents are more likely.
func random(r *rand.Rand) string {
	var b []byte
	if r.IntN(2) == 0 {
		b = append(b, '-')
	}
	for range 1 + r.IntN(34) {
		b = append(b, "0123456789990001"[r.IntN(16)])
	}
	exp := r.IntN(40) - 30
	if r.IntN(8) == 0 {
		exp = r.IntN(1900) - 950
	}
	return string(b) + "e" + strconv.Itoa(exp)
}

// rounded rounds an exact value to 34 digits, half to even.
func rounded(x *big.Rat) *big.Rat {
	if x.Sign() == 0 {
		return x
	}
	power := func(n int) *big.Rat {
		p := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil))
		if n < 0 {
			p.Inv(p)
		}
		return p
	}
	abs := new(big.Rat).Abs(x)
	// The exponent of the first digit.
	top := (abs.Num().BitLen() - abs.Denom().BitLen()) * 301 / 1000
	for abs.Cmp(power(top)) < 0 {
		top--
	}
	for abs.Cmp(power(top+1)) >= 0 {
		top++
	}
	scale := power(top - (decimal.Digits - 1))
	q := new(big.Rat).Quo(x, scale)
	twice := new(big.Int).Mul(q.Num(), big.NewInt(2))
	whole, rest := new(big.Int).QuoRem(q.Num(), q.Denom(), new(big.Int))
	twice.Mul(rest, big.NewInt(2))
	if c := twice.CmpAbs(q.Denom()); c > 0 || c == 0 && whole.Bit(0) == 1 {
		whole.Add(whole, big.NewInt(int64(x.Sign())))
	}
	return new(big.Rat).Mul(new(big.Rat).SetInt(whole), scale)
}

// TestExact compares with exact arithmetic, rounded once.
func TestExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	most, _ := new(big.Rat).SetString("1e1000")
	least, _ := new(big.Rat).SetString("1e-999")
	for range 1500 {
		s, u := random(r), random(r)
		a, ok1 := decimal.Parse(s)
		b, ok2 := decimal.Parse(u)
		if !ok1 || !ok2 {
			continue
		}
		x, y := rat(t, a), rat(t, b)
		require.Equal(t, x.Cmp(y), a.Cmp(b), "%s %s", s, u)
		require.Zero(t, a.Cmp(parse(t, a.String())))
		exact := map[string]*big.Rat{"+": new(big.Rat).Add(x, y), "-": new(big.Rat).Sub(x, y), "*": new(big.Rat).Mul(x, y)}
		if y.Sign() != 0 {
			exact["/"] = new(big.Rat).Quo(x, y)
			whole := new(big.Int).Quo(exact["/"].Num(), exact["/"].Denom())
			exact["//"] = new(big.Rat).SetInt(whole)
			exact["%"] = new(big.Rat).Sub(x, new(big.Rat).Mul(y, exact["//"]))
		}
		for op, e := range exact {
			want := rounded(e)
			got, ok := calculate(a, op, b)
			if new(big.Rat).Abs(want).Cmp(most) >= 0 {
				require.False(t, ok, "%s %s %s", s, op, u)
				continue
			}
			require.True(t, ok, "%s %s %s", s, op, u)
			if new(big.Rat).Abs(e).Cmp(least) < 0 {
				want = new(big.Rat)
			}
			require.Zero(t, want.Cmp(rat(t, got)), "%s %s %s = %s, want %s", s, op, u, got, want.FloatString(40))
			digits := strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(strings.Split(got.String(), "E")[0]), "")
			require.LessOrEqual(t, len(strings.TrimLeft(digits, "0")), decimal.Digits, got.String())
		}
	}
}

// TestLaws are properties of rounding and of forms.
func TestLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 1500 {
		s := random(r)
		d, ok := decimal.Parse(s)
		if !ok {
			continue
		}
		x := rat(t, d)
		require.Zero(t, d.Cmp(d.Strip()), s)
		require.Zero(t, d.Cmp(d.Neg().Neg()), s)
		require.Equal(t, x.Sign(), d.Sign())
		places := r.IntN(40) - 2
		unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(places, -places))), nil))
		if places > 0 {
			unit.Inv(unit)
		}
		floor, ceil := rat(t, d.Round(places, decimal.Floor)), rat(t, d.Round(places, decimal.Ceil))
		down, half := rat(t, d.Round(places, decimal.Down)), rat(t, d.Round(places, decimal.HalfUp))
		require.LessOrEqual(t, floor.Cmp(x), 0, s)
		require.GreaterOrEqual(t, ceil.Cmp(x), 0, s)
		require.LessOrEqual(t, new(big.Rat).Sub(ceil, floor).Cmp(unit), 0, s)
		if x.Sign() >= 0 {
			require.Zero(t, down.Cmp(floor), s)
		} else {
			require.Zero(t, down.Cmp(ceil), s)
		}
		off := new(big.Rat).Sub(half, x)
		require.LessOrEqual(t, new(big.Rat).Mul(off.Abs(off), big.NewRat(2, 1)).Cmp(unit), 0, s)
		if w, ok := d.Whole(); ok {
			require.Zero(t, w.Cmp(d), s)
		}
		want, _ := x.Float64()
		require.Equal(t, want, d.Float(), s)
	}
}

// TestFar: exponents of any size cost nothing.
func TestFar(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 10_000_000)
	for _, s := range []string{"1e-999999999", "0e-2147483648", "0." + strings.Repeat("0", 10_000_000) + "1", "0." + strings.Repeat("0", 10_000_000) + "1e10000000", long + "e-10000000", "1." + long} {
		d := parse(t, s)
		require.Zero(t, d.Cmp(parse(t, d.String())))
	}
	_, ok := decimal.Parse(long)
	require.False(t, ok)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "1e999", "9.99e-999", "123456789012345678901234567890123456789", "1e-1000", "0e5", "00.10"} {
		f.Add(s, "7")
	}
	f.Fuzz(func(t *testing.T, s, u string) {
		d, ok := decimal.Parse(s)
		if !ok {
			return
		}
		again, ok := decimal.Parse(d.String())
		if !ok || again.String() != d.String() || again.Cmp(d) != 0 {
			t.Fatalf("%q is %s, and that %s", s, d, again)
		}
		if !strings.HasSuffix(string(d.Append([]byte("x"))), d.String()) {
			t.Fatal(d)
		}
		e, ok := decimal.Parse(u)
		if !ok {
			return
		}
		for _, op := range []string{"+", "-", "*", "/", "//", "%"} {
			if c, ok := calculate(d, op, e); ok {
				if _, ok := decimal.Parse(c.String()); !ok {
					t.Fatalf("%s %s %s = %s", d, op, e, c)
				}
			}
		}
		if d.Cmp(e) != -e.Cmp(d) {
			t.Fatal(d, e)
		}
		d.Round(2, decimal.HalfUp).Strip()
	})
}
