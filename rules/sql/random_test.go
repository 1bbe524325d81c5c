package sql

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A dice makes choices: of bytes that a fuzzer gives, and when they are used up always
// the first one.
type dice struct{ bytes []byte }

func (d *dice) roll(n int) int {
	if n <= 1 || len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b) % n
}

func pick[T any](d *dice, list []T) T { return list[d.roll(len(list))] }

// throw returns a dice that never ends too soon for a test.
func throw(r *rand.Rand) *dice {
	b := make([]byte, 1<<10)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return &dice{b}
}

var (
	randomFields = []string{"i", "d", "s", "t", "z", "missing", "a", "o", "o.x", "o.y.z", "objs", "num", "big", "b64", "value", "word"}
	randomTexts  = []string{"", "a", "ab", "true", "12", "-1.5", "1e3", "base64", "yyyy-MM-dd", "(a)+", "$1", "€", "it''s", `\d`, "2023-11-14", "UTC", "x", "enrichArray", "k"}
	randomInts   = []string{"0", "1", "2", "7", "1.5", "0.1", "10.0", "1e3", "9223372036854775807", "99999999999999999999999999", "1e-30", "123456789.987654321", "1000000"}
	randomTypes  = []string{"String", "Int", "Double", "Decimal", "Bool"}
	randomOps    = []string{"+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "AND", "OR", "+", "="}
)

// randomFunctions are the functions that always yield the same.
var randomFunctions = func() []string {
	names := slices.Sorted(maps.Keys(builtins))
	return slices.DeleteFunc(names, func(name string) bool {
		return builtins[name].calls != 0 || name == "rand" || name == "newuuid"
	})
}()

func randomText(d *dice) string { return "'" + pick(d, randomTexts) + "'" }

// randomExpr writes an expression.
func randomExpr(d *dice, depth int) string {
	if depth <= 0 {
		switch d.roll(8) {
		case 0:
			return pick(d, randomInts)
		case 1:
			return randomText(d)
		case 2:
			return pick(d, []string{"true", "false", "null"})
		}
		return pick(d, randomFields)
	}
	sub := func() string { return randomExpr(d, depth-1) }
	switch d.roll(16) {
	case 0, 1, 2:
		return "(" + sub() + " " + pick(d, randomOps) + " " + sub() + ")"
	case 3:
		return pick(d, []string{"-", "NOT "}) + "(" + sub() + ")"
	case 4:
		return "[" + sub() + ", " + sub() + "]"
	case 5:
		return "{'k': " + sub() + ", 'x': " + sub() + "}" + pick(d, []string{"", ".k", ".x"})
	case 6:
		return "CASE " + sub() + " WHEN " + sub() + " THEN " + sub() + pick(d, []string{"", " ELSE " + sub()}) + " END"
	case 7:
		return "cast(" + sub() + " AS " + pick(d, randomTypes) + ")"
	case 8:
		return "(SELECT " + randomSelection(d, depth-1) + " FROM " + pick(d, []string{"objs", "a", "o", sub()}) + pick(d, []string{"", " WHERE " + sub()}) + ")"
	case 9:
		return sub() + pick(d, []string{" IS NULL", " IS NOT NULL"})
	case 10:
		return "(" + sub() + pick(d, []string{" IN (", " NOT IN ("}) + sub() + ", " + sub() + "))"
	case 11:
		return "(" + sub() + " BETWEEN " + pick(d, randomInts) + " AND " + sub() + ")"
	case 12:
		return "(" + sub() + " LIKE " + pick(d, []string{"'%a_'", "s", "'%%'"}) + ")"
	}
	return randomCall(d, depth)
}

func randomCall(d *dice, depth int) string {
	name := pick(d, randomFunctions)
	b := builtins[name]
	most := b.max
	if most < 0 {
		most = b.min + 3
	}
	n := b.min + d.roll(most-b.min+1)
	var args []string
	for i := range n {
		switch {
		case name == "transform" && i == 0:
			args = append(args, "'enrichArray'")
		case (name == "encode" || name == "decode") && i == 1:
			args = append(args, "'base64'")
			n = 2
		case b.star && d.roll(6) == 1:
			args = append(args, "*")
		default:
			args = append(args, randomExpr(d, depth-1))
		}
		if len(args) == n {
			break
		}
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

func randomSelection(d *dice, depth int) string {
	switch d.roll(6) {
	case 0:
		return "VALUE " + randomExpr(d, depth)
	case 1:
		return "*"
	case 2:
		return "*, " + randomExpr(d, depth) + " AS " + pick(d, []string{"k", "i", "o.x", "o.new.k"})
	}
	var items []string
	for i := range 1 + d.roll(3) {
		items = append(items, randomExpr(d, depth)+" AS "+pick(d, []string{"k", "i", "o.x", "n" + strconv.Itoa(i), "o.w"}))
	}
	return strings.Join(items, ", ")
}

// randomStatement writes a statement. It may be wrong, as of constants that do not work.
func randomStatement(d *dice) string {
	s := ""
	if d.roll(4) == 1 {
		s = "SET @v = " + randomExpr(d, 2) + ", @w = concat(@v, 1) "
	}
	s += "SELECT " + randomSelection(d, 3) + " FROM '#'"
	if d.roll(2) == 1 {
		s += " WHERE " + randomExpr(d, 2)
	}
	if strings.HasPrefix(s, "SET") {
		s = strings.Replace(s, "missing", "@w", 1)
	}
	return s
}

// randomJSON writes a value.
func randomJSON(d *dice, depth int) string {
	blank := pick(d, []string{"", "", "", " ", "\n\t"})
	switch n := d.roll(11); {
	case depth > 0 && n < 2:
		var b []string
		for range d.roll(4) {
			b = append(b, randomJSON(d, depth-1))
		}
		return "[" + blank + strings.Join(b, ","+blank) + blank + "]"
	case depth > 0 && n < 5:
		var b []string
		for range d.roll(5) {
			key := pick(d, []string{"i", "d", "s", "x", "y", "k", "o", "a b", `\u0069`, "\u20ac", ""})
			b = append(b, `"`+key+`":`+blank+randomJSON(d, depth-1))
		}
		return "{" + blank + strings.Join(b, blank+","+blank) + "}"
	case n < 7:
		return pick(d, []string{"0", "-0", "1", "-7", "2.50", "10.0", "1e3", "1E+2", "-0.001e-5", "9223372036854775808", "123456789012345678901234567890123456", "1e400", "1e5000", "0e9"})
	case n < 9:
		return `"` + pick(d, []string{"", "hello", "12", "1.5", "true", `\n`, `\u00e9`, `\ud83d\ude00`, `\ud800`, "€", `a\"b\\c`, `\u0000`, "2023-11-14", "aGk="}) + `"`
	}
	return pick(d, []string{"true", "false", "null"})
}

// randomPayload writes an object that has the fields of random statements.
func randomPayload(d *dice) string {
	var b []string
	for _, f := range [...]string{"i", "d", "s", "t", "z", "a", "o", "objs", "num", "big", "b64", "value", "word"} {
		v := ""
		switch d.roll(8) {
		case 0:
			v = randomJSON(d, 3)
		case 1:
			continue
		default:
			v = map[string]string{
				"i": "5", "d": "2.75", "s": `"hello"`, "t": "true", "z": "null", "a": "[1, 2,3]", "o": `{"x":1, "y": {"z": "w"}}`,
				"objs": `[{"i":1,"s":"a"},{"i":2,"x":null},{"d":0.5}]`, "num": `"12.5"`, "big": "12345678901234567890.123456789",
				"b64": `"eyJrIjpbMV19"`, "value": `[0]`, "word": `"a\tb"`,
			}[f]
		}
		b = append(b, `"`+f+`":`+v)
	}
	return "{" + strings.Join(b, ",") + "}"
}
