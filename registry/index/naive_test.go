package index

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// What follows says the same as the index in the plainest way: documents are lists of
// values, and a query is asked of each document.

type naiveValue struct {
	field string
	value any // string, float64 or bool
}

// naiveDoc has the values of each part.
type naiveDoc map[string][]naiveValue

func (d naiveDoc) put(x *Index, name, part string, values []naiveValue) {
	var doc Document
	for _, v := range values {
		switch value := v.value.(type) {
		case string:
			doc.AddString(v.field, value)
		case float64:
			doc.AddNumber(v.field, value)
		case bool:
			doc.AddBool(v.field, value)
		}
	}
	x.Put(name, Part{part, &doc})
	d[part] = slices.Clone(values)
}

func naiveWords(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r\u2003", r) })
}

var naiveNumber = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

func naiveFloat(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && naiveNumber.MatchString(s)
}

var naivePatterns sync.Map

func (d naiveDoc) matches(n node, without string) bool {
	some := func(field string, test func(v any) bool) bool {
		for part, values := range d {
			for _, v := range values {
				bare := field == "" && v.field != "registry.version" && !strings.HasPrefix(v.field, "connectivity.")
				if (part != without || part == "") && (v.field == field || bare) && test(v.value) {
					return true
				}
			}
		}
		return false
	}
	switch n := n.(type) {
	case everything:
		return true
	case *not:
		return !d.matches(n.of, without)
	case and:
		for _, part := range n {
			if !d.matches(part, without) {
				return false
			}
		}
		return true
	case or:
		for _, part := range n {
			if d.matches(part, without) {
				return true
			}
		}
		return false
	case *present:
		return some(n.field, func(any) bool { return true })
	case *exact:
		return some(n.field, func(v any) bool { return v == n.value })
	case *term:
		want := n.want
		if n.phrase != nil {
			want = strings.Join(n.phrase, " ")
		}
		return some(n.field, func(v any) bool {
			switch v := v.(type) {
			case float64:
				f, ok := naiveFloat(want)
				return ok && f == v
			case bool:
				return want == strconv.FormatBool(v)
			}
			s := " " + strings.Join(naiveWords(v.(string)), " ") + " "
			return strings.ToLower(v.(string)) == want || len(naiveWords(want)) > 0 && strings.Contains(s, " "+want+" ")
		})
	case *wildcard:
		text := "^(?s:"
		for _, p := range n.pattern {
			switch {
			case p.any:
				text += ".*"
			case p.one:
				text += "."
			default:
				text += regexp.QuoteMeta(p.text)
			}
		}
		kept, _ := naivePatterns.LoadOrStore(text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text + ")$") }))
		re := kept.(func() *regexp.Regexp)()
		return some(n.field, func(v any) bool {
			switch v := v.(type) {
			case bool:
				return re.MatchString(strconv.FormatBool(v))
			case string:
				return re.MatchString(strings.ToLower(v)) || slices.ContainsFunc(naiveWords(v), re.MatchString)
			}
			return false
		})
	case *span:
		return some(n.field, func(v any) bool {
			if _, ok := v.(bool); ok {
				return false
			}
			if n.numbers {
				f, ok := v.(float64)
				if !ok {
					f, ok = naiveFloat(v.(string))
				}
				return ok && (!n.low.given || f > n.low.number || f == n.low.number && n.low.in) &&
					(!n.high.given || f < n.high.number || f == n.high.number && n.high.in)
			}
			s, ok := v.(string)
			s = strings.ToLower(s)
			return ok && (!n.low.given || s > n.low.text || s == n.low.text && n.low.in) &&
				(!n.high.given || s < n.high.text || s == n.high.text && n.high.in)
		})
	}
	panic("no such node")
}

var propertySchema = Schema{Shadow: true, Connectivity: true, CustomFields: []Field{
	{"shadow.reported.a", Number}, {"shadow.reported.b", String}, {"shadow.desired.c", Boolean},
}}

// What a search finds in the index is what it finds one by one, whatever was put and
// deleted before; so it is with counts and aggregations.
func TestIndexAgreesWithNaive(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ docs, puts, queries int }{{40, 400, 400}, {1500, 4000, 150}, {9000, 12_000, 15}} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%d documents, seed %d", size.docs, seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, uint64(size.docs)))
				x, err := New(propertySchema)
				require.NoError(t, err)
				docs := map[string]naiveDoc{}
				for round := range 3 {
					for range size.puts / 3 {
						change(r, x, docs, size.docs)
					}
					requireSound(t, x)
					for range size.queries / 3 {
						ask(t, r, x, docs)
					}
					if round == 1 { // most go, so that sets shrink
						for _, name := range slices.Sorted(maps.Keys(docs)) {
							if r.IntN(5) > 0 {
								require.True(t, x.Delete(name))
								delete(docs, name)
							}
						}
						requireSound(t, x)
					}
				}
				for name := range docs {
					require.True(t, x.Delete(name))
				}
				require.Zero(t, x.Len())
				require.Empty(t, x.named)
				require.Len(t, x.entries.free, int(x.entries.next), "no entry is left")
				require.Len(t, x.fields.free, int(x.fields.next), "no field is left")
			})
		}
	}
}

var propertyFields = []string{"thingName", "attributes.a", "attributes.b", "shadow.reported.a", "shadow.reported.b", "shadow.desired.c", "connectivity.connected", "thingGroupNames", "registry.version"}

var propertyTexts = []string{"a", "A", "b", "B b", "A b", "b a c", "b  a", "1", "1.0", "007", "-2e1", "true", "FALSE", "", " ", "x y", "É", "é", "K", "k", "nan", "inf", "0x1"}

// randomValue returns a value for a field; those of managed ones have their type.
func randomValue(r *rand.Rand, field string) any {
	n := r.IntN(8)
	switch field {
	case "registry.version":
		n = 0
	case "connectivity.connected":
		n = 2
	case "thingName", "thingGroupNames":
		n = 3 + r.IntN(5)
	}
	switch n {
	case 0:
		return float64(r.IntN(4))
	case 1:
		return r.NormFloat64() * 100
	case 2:
		return r.IntN(2) == 0
	case 3:
		return fmt.Sprint("v", r.IntN(3000))
	default:
		return propertyTexts[r.IntN(len(propertyTexts))]
	}
}

func change(r *rand.Rand, x *Index, docs map[string]naiveDoc, size int) {
	name := fmt.Sprint("t", r.IntN(size))
	if r.IntN(8) == 0 {
		_, there := docs[name]
		if x.Delete(name) != there {
			panic("Delete is wrong about " + name)
		}
		delete(docs, name)
		return
	}
	if docs[name] == nil {
		docs[name] = naiveDoc{}
	}
	part := []string{"", "p", "q"}[r.IntN(3)]
	values := slices.Clone(docs[name][part])
	if len(values) > 0 && r.IntN(2) == 0 { // as it usually is: a value or two change
		for range 1 + r.IntN(2) {
			v := &values[r.IntN(len(values))]
			v.value = randomValue(r, v.field)
		}
	} else {
		values = values[:0]
		for range r.IntN(7) {
			field := propertyFields[r.IntN(len(propertyFields))]
			values = append(values, naiveValue{field, randomValue(r, field)})
		}
	}
	docs[name].put(x, name, part, values)
}

// randomQuery returns a query in the language.
func randomQuery(r *rand.Rand, depth int) string {
	if depth > 0 && r.IntN(2) == 0 {
		text := randomQuery(r, depth-1)
		for range 1 + r.IntN(2) {
			text += []string{" AND ", " OR ", " ", " NOT ", " AND -"}[r.IntN(5)] + randomQuery(r, depth-1)
		}
		return "(" + text + ")"
	}
	quoted := func() string { return `"` + propertyTexts[r.IntN(len(propertyTexts))] + `"` }
	bound := func() string {
		return []string{"*", "0", "1", "-1.5", "100", `"a"`, `"1"`, "b", "v1", "V2000", "É"}[r.IntN(11)]
	}
	field := propertyFields[r.IntN(len(propertyFields)-1)] + ":" // not the version
	if r.IntN(6) == 0 {
		field = ""
	}
	switch r.IntN(9) {
	case 0:
		return field + "[{"[r.IntN(2):][:1] + bound() + " TO " + bound() + "]}"[r.IntN(2):][:1]
	case 1:
		if field != "" {
			return strings.TrimSuffix(field, ":") + []string{">", ">=", " < ", "<="}[r.IntN(4)] + []string{"0", "1.0", "-7", "a", `"b"`, "v20"}[r.IntN(6)]
		}
		return "*"
	case 2:
		return field + []string{"a*", "b?a*", "v1*", "v?", "f*E", "v*7*", "É*", "x*y", "k*"}[r.IntN(9)]
	case 3:
		return field + "*"
	case 4:
		return field + fmt.Sprint("v", r.IntN(3000))
	case 5:
		return field + fmt.Sprint(r.IntN(4))
	case 6:
		if field != "" {
			return field + "(" + quoted() + " OR v1* -a)"
		}
	}
	return field + quoted()
}

func ask(t *testing.T, r *rand.Rand, x *Index, docs map[string]naiveDoc) {
	q, err := Parse(randomQuery(r, 2))
	for err != nil {
		require.ErrorContains(t, err, "at most 12 terms")
		q, err = Parse(randomQuery(r, 2))
	}
	if r.IntN(20) == 0 {
		q = Exact(propertyFields[r.IntN(8)], propertyTexts[r.IntN(len(propertyTexts))])
	}
	q = q.Without([]string{"", "", "p"}[r.IntN(3)])
	var want []string
	for name, d := range docs {
		if d.matches(q.root, q.without) {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	n, err := x.Count(q)
	require.NoError(t, err)
	require.Equal(t, len(want), n, "%s", q)
	got, next, err := x.Search(q, "", 0)
	require.NoError(t, err)
	require.Empty(t, next)
	require.Equal(t, want, got, "%s", q)

	after, limit := fmt.Sprint("t", r.IntN(10_000)), 1+r.IntN(200)
	i, found := slices.BinarySearch(want, after)
	if found {
		i++
	}
	rest := want[i:]
	got, next, err = x.Search(q, after, limit)
	require.NoError(t, err)
	if len(rest) > limit {
		require.Equal(t, rest[limit-1], next, "%s", q)
		rest = rest[:limit]
	} else {
		require.Empty(t, next)
	}
	require.Equal(t, append([]string(nil), rest...), got, "%s after %s, at most %d", q, after, limit)

	for name, d := range docs { // some
		require.Equal(t, d.matches(q.root, q.without), x.Match(q, name), "%s of %s without %s", q, name, q.without)
		if r.IntN(10) == 0 {
			break
		}
	}
	aggregateAgrees(t, x, q, docs, want, propertyFields[r.IntN(len(propertyFields))])
}

// aggregateAgrees requires aggregations to be those of the values themselves.
func aggregateAgrees(t *testing.T, x *Index, q *Query, docs map[string]naiveDoc, names []string, field string) {
	typ := map[string]Type{"thingName": String, "thingGroupNames": String, "connectivity.connected": Boolean, "registry.version": Number}[field]
	for _, f := range propertySchema.CustomFields {
		if f.Name == field {
			typ = f.Type
		}
	}
	var numbers []float64
	count := 0
	shown, folded := map[string]int{}, map[string]bool{}
	for _, name := range names {
		has := false
		for _, values := range docs[name] {
			distinct := map[any]bool{}
			for _, v := range values {
				if v.field != field || distinct[v.value] {
					continue
				}
				distinct[v.value] = true
				number, isNumber := v.value.(float64)
				s, isText := v.value.(string)
				b, isBool := v.value.(bool)
				switch {
				case isNumber:
					s = strconv.FormatFloat(number, 'f', -1, 64)
				case isBool:
					s = strconv.FormatBool(b)
				default:
					number, isNumber = naiveFloat(s)
				}
				fits := typ == "" || typ == String && isText || typ == Number && isNumber ||
					typ == Boolean && (isBool || isText && (strings.EqualFold(s, "true") || strings.EqualFold(s, "false")))
				has = has || fits
				if !fits {
					continue
				}
				if isBool || typ == Boolean {
					number, isNumber = 0, true
					if strings.EqualFold(s, "true") {
						number = 1
					}
				}
				if isNumber && typ != String {
					numbers = append(numbers, number)
				}
				shown[s]++
				folded[strings.ToLower(s)] = true
			}
		}
		if has {
			count++
		}
	}
	s, err := x.Statistics(q, field)
	require.NoError(t, err)
	require.Equal(t, count, s.Count, "%s of %s", field, q)
	require.Equal(t, len(numbers) > 0, s.Numeric)
	if s.Numeric {
		sum, squares, distances := 0.0, 0.0, 0.0
		for _, f := range numbers {
			sum += f
			squares += f * f
		}
		for _, f := range numbers {
			distances += (f - sum/float64(len(numbers))) * (f - sum/float64(len(numbers)))
		}
		require.InDelta(t, sum, s.Sum, 1e-6)
		require.InDelta(t, squares, s.SumOfSquares, 1e-3)
		require.InDelta(t, distances/float64(len(numbers)), s.Variance, 1e-6)
		require.Equal(t, slices.Min(numbers), s.Minimum)
		require.Equal(t, slices.Max(numbers), s.Maximum)
	}
	if typ == Number || typ == "" {
		var plain []float64
		for _, name := range names {
			for _, values := range docs[name] {
				distinct := map[any]bool{}
				for _, v := range values {
					f, ok := v.value.(float64)
					if s, isText := v.value.(string); isText {
						f, ok = naiveFloat(s)
					}
					if v.field == field && ok && !distinct[v.value] {
						distinct[v.value] = true
						plain = append(plain, f)
					}
				}
			}
		}
		slices.Sort(plain)
		p, err := x.Percentiles(q, field, 0, 50, 100)
		if len(plain) > 0 {
			require.NoError(t, err)
			require.Equal(t, plain[0], p[0].Value)
			require.Equal(t, plain[len(plain)-1], p[2].Value)
			require.InDelta(t, (plain[(len(plain)-1)/2]+plain[len(plain)/2])/2, p[1].Value, 1e-9)
		} else {
			require.Empty(t, p)
		}
	}
	n, err := x.Cardinality(q, field)
	require.NoError(t, err)
	require.Equal(t, len(folded), n, "%s of %s", field, q)
	var want []Bucket
	for key, n := range shown {
		want = append(want, Bucket{key, n})
	}
	b, err := x.Buckets(q, field, 7)
	require.NoError(t, err)
	require.Equal(t, len(names), b.Total)
	require.Equal(t, mostFrequent(want, 7), b.Buckets, "%s of %s", field, q)
}
