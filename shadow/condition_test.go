package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

func compile(t testing.TB, text string) *shadow.Condition {
	t.Helper()
	c, err := shadow.CompileCondition(text)
	require.NoError(t, err, text)
	require.Equal(t, text, c.String())
	return c
}

// pumpDocument is what conditions are asked about.
var pumpDocument = shadow.Document{
	Version: 7, Updated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	Desired: []byte(`{"target":21.5,"mode":"auto","list":[1,2.0,3],"big":9007199254740993,"fan":{"speed":1}}`),
	Reported: []byte(`{"target":20,"mode":"auto","ok":true,"huge":18446744073709551616,"fine":0.12345678901234567890,"whole":9007199254740993.0,` +
		`"valves":[{"open":false,"n":1},{"open":false,"n":2}],"names":["a/b","é\n"],"key with \"":1,"empty":{},"vast":1e400,"minus":-18446744073709551617}`),
}

var pumpNow = time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)

func TestConditions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`true`:                                             true,
		`1 == 2`:                                           false,
		`exists && version == 7`:                           true,
		`version > 7 or version < 7`:                       false,
		`thing == "pump-1" and name == "conf"`:             true,
		`desired.target > reported.target`:                 true,
		`desired.target - reported.target <= 1.5`:          true,
		`desired.mode == reported.mode`:                    true,
		`desired.mode != reported.mode`:                    false,
		`delta.target == 21.5`:                             true,
		`"mode" in delta`:                                  false,
		`delta.nothing == nil`:                             true,
		`desired.fan.speed == 1`:                           true,
		`reported.fan?.speed > 1`:                          false, // and an error without ?. and ??
		`(reported.fan?.speed ?? 5) > 1`:                   true,
		`reported.fan == nil`:                              true,
		`reported.ok`:                                      true,
		`!reported.ok`:                                     false,
		`reported.nothing`:                                 false, // nil
		`all(reported.valves, !.open)`:                     true,
		`any(reported.valves, .n == 2.0)`:                  true,
		`none(reported.valves, #.n > 2)`:                   true,
		`one(reported.valves, .n > 1)`:                     true,
		`count(reported.valves, .open) == 0`:               true,
		`len(filter(reported.valves, .n < 2)) == 1`:        true,
		`find(reported.valves, .n == 2).open == false`:     true,
		`sum(desired.list) == 6 && max(desired.list) == 3`: true,
		`map(desired.list, # + 1) == [2, 3, 4]`:            true,
		`desired.list == [1.0, 2, 3]`:                      true,
		`2 in desired.list && 4 not in desired.list`:       true,
		`2.0 in [1, 2]`:                                    true,
		`"n" in reported.valves[0]`:                        true,
		`"é\n" in reported.names`:                          true,
		`reported["key with \""] == 1`:                     true,
		`reported.mode startsWith "au" and upper(reported.mode) == "AUTO"`: true,
		`reported.mode matches "^a.t?o$"`:                                  true,
		`reported.mode contains "x" || reported.nothing contains "x"`:      false,
		`len(reported.mode + "matic") == 9`:                                true,
		`thing + "~" + name == "pump-1~conf"`:                              true,
		`desired == reported`:                                              false,
		`desired.fan == {"speed": 1.0}`:                                    true,
		`reported.empty == {}`:                                             true,
		`now - updated < duration("1m")`:                                   true,
		`now - times.reported.target > duration("54s")`:                    true,
		`times.desired.fan.speed == updated`:                               true,
		`times.reported.valves[1].n < now`:                                 true,
		`now.Hour() == 3`:                                                  true,
		`updated < date("2026-02-01")`:                                     true,
		`int(desired.target) == 21 && round(21.5) == 22`:                   true,
		`type(reported.target) == "int"`:                                   true,
		`if version == 7 { reported.ok } else { false }`:                   true,
		`version == 7 ? desired.target == 21.5 : false`:                    true,
		`(reported.target | abs()) == 20`:                                  true,

		// Nothing is lost unseen.
		`desired.big == 9007199254740993`:                                true,
		`desired.big == 9007199254740992`:                                false,
		`desired.big == 9007199254740992.0`:                              false,
		`desired.big > 9007199254740992.0`:                               true,
		`desired.big == reported.whole`:                                  true,
		`desired.big == 9007199254740993.0`:                              true,
		`desired.big == 9_007_199_254_740.993e3`:                         true,
		`reported.fine == .12345678901234567890`:                         true,
		`18446744073709551617.0 > 18446744073709551616.0 && 1e23 > 1e22`: true,
		`reported.whole == 9007199254740992.0`:                           false,
		`reported.huge > 9223372036854775807`:                            true,
		`reported.huge == 18446744073709551616.0`:                        true,
		`reported.huge > desired.target`:                                 true,
		`reported.minus < -9223372036854775807`:                          true,
		`reported.minus == -18446744073709551616.0`:                      false,
		`reported.minus < reported.huge`:                                 true,
		`reported.fine == 0.12345678901234568`:                           false,
		`reported.fine < 0.12345678901234568`:                            true,
		`reported.fine > 0.12345678901234566`:                            true,
		`reported.fine in [0.12345678901234568]`:                         false,
		`reported.vast > reported.huge`:                                  true,
		`reported.vast < 1.0/0.0`:                                        true,
		`0.0/0.0 == reported.vast`:                                       false,
		`string(reported.huge) == "18446744073709551616"`:                true,
	} {
		got, err := compile(t, text).Holds(shadow.Key{Thing: "pump-1", Name: "conf"}, pumpDocument, pumpNow)
		if strings.HasPrefix(text, "reported.fan?.speed >") {
			require.ErrorContains(t, err, "Condition failed: nil and a number have no order (line 1, column 21)")
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestConditionsOfNoShadow(t *testing.T) {
	t.Parallel()
	for _, d := range []shadow.Document{{}, {Version: 5, DeletedUntil: pumpNow.Add(time.Hour)}} {
		for _, text := range []string{
			`!exists`, `version == 0`, `desired == {} && reported == {} && delta == {}`, `desired.x == nil`, `times.desired.x == nil`,
		} {
			got, err := compile(t, text).Holds(shadow.Key{Thing: "t"}, d, pumpNow)
			require.NoError(t, err, text)
			require.True(t, got, text)
		}
	}
}

func TestConditionsThatDoNotCompile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                             "unexpected token EOF (line 1, column 1)",
		`desired.`:                     "unexpected end of expression",
		`desired.a ==`:                 "unexpected token EOF (line 1, column 12)",
		"true &&\n  unknown == 1":      "unknown name unknown (line 2, column 3)",
		`version == "7"`:               "invalid operation: == (mismatched types int and string) (line 1, column 9)",
		`thing > 5`:                    "invalid operation: > (mismatched types string and int) (line 1, column 7)",
		`version`:                      "expected bool, but got int",
		`desired`:                      "expected bool, but got map",
		`"yes"`:                        "expected bool, but got string",
		`now() > updated`:              "time.Time is not callable (line 1, column 1)",
		`é == 1`:                       "unknown name é (line 1, column 1)",
		`$env.exists`:                  "unknown name $env (line 1, column 1)",
		`true and $ledger == nil`:      "unknown name $ledger (line 1, column 10)",
		`let a = 1; a == 1`:            "conditions have no variables (line 1, column 5)",
		`true; true`:                   "a condition is one expression",
		`b"x" == b"y"`:                 "conditions have no bytes",
		`1..1000 == []`:                "conditions have no operator .. (line 1, column 2)",
		`all(1..3, true)`:              "conditions have no operator ..",
		`reduce([1], # + #acc) == 1`:   "conditions have no function reduce (line 1, column 1)",
		`repeat("a", 1000000) == ""`:   "conditions have no function repeat",
		`toJSON(desired) == ""`:        "conditions have no function toJSON",
		`timezone("UTC") == nil`:       "conditions have no function timezone",
		`exec("x")`:                    "unknown name exec",
		`desired.x matches reported.y`: "matches takes a constant pattern here (line 1, column 28)",
		`desired.x matches "("`:        "error parsing regexp: missing closing ): `(`",
		`desired.x matches "a{1000}"`:  "the pattern is too large (line 1, column 19)",
		`desired.x matches "` + strings.Repeat("a", 257) + `"`:    "the pattern is too large",
		`date("2026-01-01", "2006-01-02", "Europe/Berlin") > now`: "date takes no time zone here",
		`9223372036854775808 == 1`:                                "invalid integer literal",
		`"` + strings.Repeat("a", 4100) + `" == ""`:               "it has 4108 bytes, expected at most 4096",
		strings.Repeat("true && ", 300) + "true":                  "expression exceeds maximum allowed nodes",
		strings.Repeat("(", 4000):                                 "unexpected token EOF",
		strings.Repeat("[", 4000):                                 "unexpected token EOF",
		strings.Repeat("!", 4000) + "true":                        "exceeds maximum allowed nodes",
		"\x00":                                                    "unrecognized character",
		"\xff\xfe":                                                "unrecognized character",
	} {
		c, err := shadow.CompileCondition(text)
		require.Nil(t, c, text)
		require.ErrorIs(t, err, shadow.ErrInvalid, text)
		require.ErrorContains(t, err, "shadow: 400 Invalid condition: ", text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n", text)
	}
}

func TestConditionsThatFail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`reported.fan.speed == 1`:                        "cannot fetch speed from <nil> (line 1, column 14)",
		`reported.mode`:                                  "bool",
		`reported.mode > 5`:                              "invalid operation: string > int (line 1, column 15)",
		`reported.ok == true && reported.target && true`: "interface conversion",
		`reported.huge + 1 > 0`:                          "invalid operation: shadow.bigNumber + int (line 1, column 15)",
		`-(18446744073709551616.0) + 1 < 0`:              "invalid operation: shadow.bigNumber + int",
		`-reported.huge < 0`:                             "invalid operation: - shadow.bigNumber",
		`all(reported.mode, true)`:                       "expected an array, not text",
		`all(reported.fan, true)`:                        "expected an array, not nil",
		`5 in reported.target`:                           "expected an array or an object after in, not a number",
		`reported.target matches "x"`:                    "expected text, not a number",
		`desired.list[7] == 1`:                           "index out of range: 7 (array length is 3)",
		`desired.target()`:                               "cannot call non-function",
		`reported.target % 0 == 1`:                       "divide by zero",
	} {
		_, err := compile(t, text).Holds(shadow.Key{Thing: "t"}, pumpDocument, pumpNow)
		require.ErrorIs(t, err, shadow.ErrInvalid, text)
		require.ErrorContains(t, err, "shadow: 400 Condition failed: ", text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n", text)
	}
}

// Whatever a condition asks for, an evaluation ends soon.
func TestConditionsAreBounded(t *testing.T) {
	t.Parallel()
	d := shadow.Document{Version: 1, Updated: pumpNow, Reported: []byte(
		`{"a":[` + strings.Repeat("1,", 2000) + `2],"s":"` + strings.Repeat("x", 2000) + `","l":["` + strings.Repeat("y", 500) + `","z"]}`)}
	for _, text := range []string{
		`all(reported.a, all(reported.a, all(reported.a, true)))`,
		`all(reported.a, 3 not in reported.a)`,
		`all(reported.a, reported.a == reported.a)`,
		`all(reported.a, reported == reported)`,
		`all(reported.a, len(string(reported.a)) > 0)`,
		`all(reported.a, sum(reported.a) > 0)`,
		`all(reported.a, count(reported.a, # > 0) > 0)`,
		`all(reported.a, reported.s contains "y" == false)`,
		`all(reported.a, reported.s matches "(x+x+)+y" == false)`,
		`all(reported.a, len(upper(reported.s)) > 0)`,
		`all(reported.a, ` + strings.Repeat("reported.s + ", 60) + `"" != "")`,
		`all(reported.a, "` + strings.Repeat("q", 1000) + `" + thing != reported.s)`,
		`all(reported.a, reported.s > "` + strings.Repeat("x", 1000) + `")`,
		`len(map(reported.a, map(reported.a, [#, #, #]))) > 0`,
		`len(map(reported.a, reported.a)) > 0 and len(map(map(reported.a, reported.a), string(#))) > 0`,
		`max(map(reported.a, max(reported.a))) > 0`,
		`all(reported.a, len(keys(reported)) > 0)` + strings.Repeat(` and all(reported.a, len(keys(reported)) > 0)`, 3),
	} {
		_, err := compile(t, text).Holds(shadow.Key{Thing: "t"}, d, pumpNow)
		require.ErrorIs(t, err, shadow.ErrInvalid, text)
		require.ErrorContains(t, err, "it takes too many steps", text)
	}
	// What is of use is far from the bound.
	for _, text := range []string{
		`all(reported.a, # >= 1 && # < 3 && (# == 1 or # == 2))`,
		`any(reported.a, # == 2) and sum(reported.a) > 100 and reported.s matches "^x+$"`,
	} {
		holds, err := compile(t, text).Holds(shadow.Key{Thing: "t"}, d, pumpNow)
		require.NoError(t, err, text)
		require.True(t, holds, text)
	}
}

// Numbers compare as big.Rat has it.
func TestNumbersCompareExactly(t *testing.T) {
	t.Parallel()
	numbers := []string{
		"0", "-0", "0.0", "0e9", "1", "1.0", "10e-1", "-1", "0.1", "0.10", "1e-1", "9", "10", "99", "100", "1e2", "101", "-99", "-100", "-101",
		"9007199254740992", "9007199254740993", "9007199254740993.0", "900719925474099.3e1", "18446744073709551616", "-18446744073709551617",
		"0.3", "0.30000000000000004", "0.299999999999999988897769753748", "1e400", "1e-400", "-1e400", "123456789012345678901234567890", "12.5e1", "125",
		"1000000000000000000001", "1e21", "5e-324", "1.7976931348623157e308",
	}
	conditions := map[string]*shadow.Condition{}
	for _, op := range []string{"==", "!=", "<", "<=", ">", ">="} {
		conditions[op] = compile(t, "desired.x "+op+" reported.x")
	}
	for _, a := range numbers {
		for _, b := range numbers {
			x, _ := new(big.Rat).SetString(a)
			y, _ := new(big.Rat).SetString(b)
			d := shadow.Document{Version: 1, Desired: []byte(`{"x":` + a + `}`), Reported: []byte(`{"x":` + b + `}`)}
			for op, want := range map[string]bool{
				"==": x.Cmp(y) == 0, "!=": x.Cmp(y) != 0, "<": x.Cmp(y) < 0, "<=": x.Cmp(y) <= 0, ">": x.Cmp(y) > 0, ">=": x.Cmp(y) >= 0,
			} {
				got, err := conditions[op].Holds(hall, d, pumpNow)
				require.NoError(t, err)
				require.Equal(t, want, got, "%s %s %s", a, op, b)
			}
		}
	}
	// Exponents beyond all measure have no order, and take no time.
	d := shadow.Document{Version: 1, Desired: []byte(`{"x":1e9999999999999999999}`)}
	for _, text := range []string{"desired.x < 1", "desired.x > 1", "desired.x == 1"} {
		got, err := compile(t, text).Holds(hall, d, pumpNow)
		require.NoError(t, err)
		require.False(t, got, text)
	}
}

func TestUpdateIf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		published := 0
		svc := service(t, shadow.Config{Publisher: shadow.PublisherFunc(func(context.Context, string, []byte) error { published++; return nil })})
		ask := func(condition, request string) error {
			t.Helper()
			var c *shadow.Condition
			if condition != "" {
				c = compile(t, condition)
			}
			_, err := svc.UpdateIf(t.Context(), hall, c, []byte(request), shadow.Requester{})
			return err
		}
		require.NoError(t, ask("", `{"state":{"desired":{"n":1}}}`))
		require.NoError(t, ask("exists && desired.n == 1", `{"state":{"desired":{"n":2}}}`))
		require.NoError(t, ask(`thing == "hall" && name == "" && version == 2`, `{"state":{"desired":{"n":3}}}`))
		before := published
		err := ask("desired.n == 1", `{"state":{"desired":{"n":4}},"clientToken":"x"}`)
		require.EqualError(t, err, "shadow: 412 Condition not met")
		require.ErrorIs(t, err, shadow.ErrCondition)
		require.NotErrorIs(t, err, shadow.ErrVersion)
		require.Equal(t, 412, shadow.CodeOf(err))
		require.Equal(t, 412, shadow.CodeOf(fmt.Errorf("hook: %w", shadow.ErrCondition)))
		err = ask("desired.n.m == 1", `{"state":{"desired":{"n":4}}}`)
		require.EqualError(t, err, "shadow: 400 Condition failed: cannot fetch m from int (line 1, column 11)")
		require.ErrorIs(t, ask("true", `{"state":{},"version":1}`), shadow.ErrVersion, "the version comes first")
		require.ErrorIs(t, ask("false", `{"state":5}`), shadow.ErrInvalid, "and the request")
		require.Equal(t, before, published, "what is refused is not published")
		time.Sleep(time.Hour)
		require.NoError(t, ask(`now - updated == duration("1h") and now - times.desired.n > duration("59m")`, `{"state":{"desired":{"n":5}}}`))
		v, err := svc.Get(t.Context(), hall, shadow.Requester{})
		require.NoError(t, err)
		require.Equal(t, `{"n":5}`, string(v.Desired))
		require.EqualValues(t, 4, v.Version)
	})
}

// Of many who take a lock in the shadow, one has it at a time.
func TestUpdateIfIsOneStep(t *testing.T) {
	t.Parallel()
	svc := service(t, shadow.Config{})
	free := compile(t, `reported.owner == nil`)
	var mine sync.Mutex // never waited for
	var wg sync.WaitGroup
	var taken int
	for w := range 16 {
		wg.Go(func() {
			for range 40 {
				_, err := svc.UpdateIf(t.Context(), hall, free, fmt.Appendf(nil, `{"state":{"reported":{"owner":%d}}}`, w), shadow.Requester{})
				switch {
				case errors.Is(err, shadow.ErrCondition):
					continue
				case err != nil:
					t.Error(err)
					return
				}
				if !mine.TryLock() {
					t.Error("two have it")
				}
				taken++
				mine.Unlock()
				if _, err := svc.Update(t.Context(), hall, []byte(`{"state":{"reported":{"owner":null}}}`), shadow.Requester{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	v, err := svc.Get(t.Context(), hall, shadow.Requester{})
	require.NoError(t, err)
	require.EqualValues(t, 2*taken, v.Version)
	require.Positive(t, taken)
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{
		`desired.a == 1`, `all(reported.l, # > 1 && .x?.y ?? true)`, `"a" in desired`, `desired.s matches "^a+$"`, `now - times.desired.a < duration("1h")`,
		`map(desired.l, [#, #index])`, `desired.l[0:1] == [1]`, `let a = 1; a`, `$env`, `1..9`, "{", `(((`, `not (a not in b)`, `-reported.big ** 2 > 1e3`,
	} {
		f.Add(s, `{"a":1,"l":[1,2,{"x":{"y":true}}],"s":"aa","big":18446744073709551616}`)
	}
	f.Fuzz(func(t *testing.T, text, side string) {
		c, err := shadow.CompileCondition(text)
		if err != nil {
			require.ErrorIs(t, err, shadow.ErrInvalid)
			return
		}
		valid, duplicate := shadow.Valid([]byte(side))
		if !valid || duplicate || side[0] != '{' {
			return
		}
		d := shadow.Document{Version: 1, Desired: []byte(side), Reported: []byte(side), Updated: pumpNow}
		if _, err := c.Holds(hall, d, pumpNow); err != nil {
			require.ErrorIs(t, err, shadow.ErrInvalid)
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	for _, text := range []string{`version == 7`, `reported.mode == "auto" && reported.target < desired.target`} {
		b.Run(text, func(b *testing.B) {
			c := compile(b, text)
			b.ReportAllocs()
			for b.Loop() {
				if holds, err := c.Holds(hall, pumpDocument, pumpNow); !holds || err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func ExampleService_UpdateIf() {
	svc, err := shadow.New(shadow.Config{})
	if err != nil {
		panic(err)
	}
	ctx, k := context.Background(), shadow.Key{Thing: "pump-1"}
	idle, err := shadow.CompileCondition(`reported.state in ["idle", "done"] && !(desired.locked ?? false)`)
	if err != nil {
		panic(err)
	}
	for _, state := range []string{"busy", "idle"} {
		if _, err := svc.Update(ctx, k, []byte(`{"state":{"reported":{"state":"`+state+`"}}}`), shadow.Requester{}); err != nil {
			panic(err)
		}
		_, err = svc.UpdateIf(ctx, k, idle, []byte(`{"state":{"desired":{"job":"flush"}}}`), shadow.Requester{})
		fmt.Println(state, errors.Is(err, shadow.ErrCondition), err)
	}
	_, err = shadow.CompileCondition(`reported.state in`)
	fmt.Println(err)
	// Output:
	// busy true shadow: 412 Condition not met
	// idle false <nil>
	// shadow: 400 Invalid condition: unexpected token EOF (line 1, column 17)
}
