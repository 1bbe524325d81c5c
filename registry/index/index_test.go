package index_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry/index"
)

var schema = index.Schema{Shadow: true, NamedShadows: []string{"s"}, Connectivity: true}

func fleet(t testing.TB) *index.Index {
	t.Helper()
	x, err := index.New(schema)
	require.NoError(t, err)
	for name, fill := range map[string]func(d *index.Document){
		"tv1": func(d *index.Document) {
			d.AddString("attributes.site", "North Wing")
			d.AddNumber("registry.version", 1)
			d.AddJSON("shadow.reported", `{"temp":21.5,"fan":{"on":true},"tags":["red","blue"],"objects":[{"a":1}],"none":null,"when":"2024-01-02"}`)
			d.AddBool("connectivity.connected", true)
		},
		"tv2": func(d *index.Document) {
			d.AddString("attributes.site", "south")
			d.AddString("attributes.code", "007")
			d.AddNumber("registry.version", 3)
			d.AddJSON("shadow.reported", `{"temp":-4,"fan":{"on":false}}`)
			d.AddBool("connectivity.connected", false)
		},
		"plasma": func(d *index.Document) {
			d.AddString("attributes.site", "north")
			d.AddString("attributes.code", "a:b*c")
			d.AddNumber("registry.version", 2)
			d.AddString("thingGroupNames", "g1")
			d.AddString("thingGroupNames", "g2")
			d.AddJSON("shadow.name.s.desired", `{"temp":100}`)
		},
	} {
		d := &index.Document{}
		d.AddString("thingName", name)
		fill(d)
		x.Put(name, index.Part{"", d})
	}
	return x
}

func TestSearch(t *testing.T) {
	t.Parallel()
	x := fleet(t)
	for query, want := range map[string][]string{
		"*":                            {"plasma", "tv1", "tv2"},
		"thingName:tv1":                {"tv1"},
		"thingName:TV1":                {"tv1"},
		"ThingNames":                   nil,
		"thingName:tv*":                {"tv1", "tv2"},
		"thingName:tv?":                {"tv1", "tv2"},
		"thingName:t?1":                {"tv1"},
		"tv1":                          {"tv1"},
		"north":                        {"plasma", "tv1"},
		"attributes.site:north":        {"plasma", "tv1"},
		`attributes.site:"north wing"`: {"tv1"},
		`attributes.site:"wing north"`: nil,
		"attributes.site:wing":         {"tv1"},
		"attributes.code:007":          {"tv2"},
		`attributes.code:a\:b\*c`:      {"plasma"},
		`attributes.code:"a:b*c"`:      {"plasma"},
		"thingGroupNames:g1 AND thingGroupNames:g2":                  {"plasma"},
		"thingGroupNames:g1 OR thingName:tv2":                        {"plasma", "tv2"},
		"thingName:(tv* AND -tv1)":                                   {"tv2"},
		"thingName:tv* NOT attributes.site:south":                    {"tv1"},
		"-thingName:tv1":                                             {"plasma", "tv2"},
		"NOT NOT thingName:tv1":                                      {"tv1"},
		"shadow.reported.temp>0":                                     {"tv1"},
		"shadow.reported.temp>=21.5":                                 {"tv1"},
		"shadow.reported.temp<0":                                     {"tv2"},
		"shadow.reported.temp<=-4":                                   {"tv2"},
		"shadow.reported.temp:21.50":                                 {"tv1"},
		"shadow.reported.temp:[-4 TO 21.5]":                          {"tv1", "tv2"},
		"shadow.reported.temp:{-4 TO 21.5]":                          {"tv1"},
		"shadow.reported.temp:{-4 TO 21.5}":                          nil,
		"shadow.reported.temp:[* TO 0]":                              {"tv2"},
		`thingName:["tv" TO "tv2"}`:                                  {"tv1"},
		"shadow.reported.fan.on:true":                                {"tv1"},
		"shadow.reported.tags:blue":                                  {"tv1"},
		"shadow.reported.objects.a:1":                                nil,
		"shadow.reported.none:*":                                     nil,
		"shadow.reported.when:2024-01-02":                            {"tv1"},
		"shadow.name.s.desired.temp:100":                             {"plasma"},
		"connectivity.connected:true":                                {"tv1"},
		"connectivity.connected:false":                               {"tv2"},
		"attributes.nothing:x":                                       nil,
		"NOT attributes.nothing:x":                                   {"plasma", "tv1", "tv2"},
		"attributes.code:*":                                          {"plasma", "tv2"},
		"(thingName:tv1 OR thingName:tv2) AND attributes.site:south": {"tv2"},
	} {
		q, err := index.Parse(query)
		require.NoError(t, err, query)
		got, next, err := x.Search(q, "", 0)
		require.NoError(t, err, query)
		require.Empty(t, next)
		require.Equal(t, want, got, query)
		again, err := index.Parse(q.String())
		require.NoError(t, err, "%s became %s", query, q)
		require.Equal(t, q, again, "%s became %s", query, q)
	}
}

func TestParse_Mistakes(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                          `at offset 0: found the end of the query, expected a term`,
		"  ":                        `at offset 2: found the end of the query, expected a term`,
		"a AND":                     `at offset 5: found the end of the query, expected a term`,
		"(a AND)":                   `at offset 6: found ")", expected a term`,
		"(a OR) b":                  `at offset 5: found ")", expected a term`,
		"a NOT":                     `at offset 5: found the end of the query, expected a term`,
		"a -":                       `at offset 3: found the end of the query, expected a term`,
		"(-)":                       `at offset 2: found ")", expected a term`,
		"AND a":                     `at offset 0: found "AND", expected a term`,
		"OR":                        `at offset 0: found "OR", expected a term`,
		"NOT":                       `at offset 3: found the end of the query, expected a term`,
		"NOT AND a":                 `at offset 4: found "AND", expected a term`,
		"a OR OR b":                 `at offset 5: found "OR", expected a term`,
		"a AND AND b":               `at offset 6: found "AND", expected a term`,
		"()":                        `at offset 1: found ")", expected a term`,
		"f:()":                      `at offset 3: found ")", expected a term`,
		"(a":                        `at offset 2: found the end of the query, expected ")"`,
		"a)":                        `at offset 1: found ")", expected AND, OR or the end`,
		"a ]":                       `at offset 2: found "]", expected a term`,
		"}":                         `at offset 0: found "}", expected a term`,
		`thingName:"a`:              `at offset 12: found the end of the query, expected the closing quote of "\"a"`,
		`f:"a\`:                     `expected the closing quote`,
		`f:a\`:                      `at offset 4: found the end of the query, expected a character behind the backslash`,
		"thingName:*a":              `at offset 10: found "*a", expected a value that does not begin with a wildcard`,
		"thingName:?a":              `at offset 10: found "?a", expected a value that does not begin with a wildcard`,
		"thingName:?":               `expected a value that does not begin with a wildcard`,
		"thingName:*?":              `expected a value that does not begin with a wildcard`,
		"*a":                        `at offset 0: found "*a", expected a value that does not begin with a wildcard`,
		"f:[1 2]":                   `at offset 5: found "2]", expected TO`,
		"f:[1 TO2]":                 `at offset 5: found "TO2]", expected TO`,
		"f:[1 TO 2":                 `at offset 9: found the end of the query, expected "]" or "}"`,
		"f:[1 TO 2)":                `at offset 9: found ")", expected "]" or "}"`,
		"f:[TO 2]":                  `at offset 3: found "TO", expected a number or a text`,
		"f:[1 TO]":                  `at offset 7: found "]", expected a number or a text`,
		"f:[a* TO b]":               `at offset 3: found "a*", expected a number or a text without wildcards`,
		"f:[a TO b?]":               `expected a number or a text without wildcards`,
		"f>":                        `at offset 2: found the end of the query, expected a number or a text`,
		"f>=a*":                     `at offset 3: found "a*", expected a number or a text without wildcards`,
		"f>=*":                      `at offset 3: found "*", expected a number or a text to compare with`,
		"f>(1)":                     `at offset 2: found "(1)", expected a number or a text`,
		"f:":                        `at offset 2: found the end of the query, expected a value`,
		"f: AND b":                  `at offset 3: found "AND", expected a value`,
		"f:NOT":                     `at offset 2: found "NOT", expected a value`,
		"f::a":                      `at offset 2: found ":a", expected a value`,
		"f:>5":                      `at offset 2: found ">5", expected a value`,
		":a":                        `at offset 0: found ":a", expected the name of a field`,
		"a AND >5":                  `at offset 6: found ">5", expected the name of a field`,
		`"f":a`:                     `at offset 3: found ":a", expected the name of a field`,
		"f:(a g:b)":                 `at offset 6: found ":b)", expected \ before it: this is in the parentheses of field "f"`,
		"f:(a OR b>2)":              `at offset 9: found ">2)", expected \ before it`,
		"a b c d e f g h i j k l m": `at offset 24: found "m", expected at most 12 terms`,
		strings.Repeat("(", 66):     `at offset 64: found "((", expected at most 64 parentheses in each other`,
		strings.Repeat("é", 1001):   `at offset 0: found "1001 characters", expected at most 1000`,
		"f:\xff":                    `expected UTF-8`,
	} {
		_, err := index.Parse(query)
		require.ErrorIs(t, err, index.ErrInvalidQuery, query)
		require.ErrorContains(t, err, want, query)
		var syntax *index.SyntaxError
		require.ErrorAs(t, err, &syntax)
	}
}

// What a query means is what String says.
func TestParse_Meaning(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"a b":                 `"a" AND "b"`,
		"a OR b c":            `"a" OR ("b" AND "c")`,
		"a AND b OR c AND d":  `("a" AND "b") OR ("c" AND "d")`,
		"(a OR b) c":          `("a" OR "b") AND "c"`,
		"a NOT b":             `"a" AND NOT "b"`,
		"a OR NOT b":          `"a" OR NOT "b"`,
		"NOT a b":             `NOT "a" AND "b"`,
		"NOT (a b)":           `NOT ("a" AND "b")`,
		"NOT(a)":              `NOT "a"`,
		"a AND(b)OR(c)":       `("a" AND "b") OR "c"`,
		`a AND"b"`:            `"a" AND "b"`,
		`"a"b(c)`:             `"a" AND "b" AND "c"`,
		"-a - b --c":          `NOT "a" AND NOT "b" AND "c"`,
		"NOT NOT a":           `"a"`,
		"-5":                  `NOT "5"`,
		`"-5" \-5`:            `"-5" AND "-5"`,
		"f:-5":                `f:"-5"`,
		"f:(-5 6)":            `NOT f:"5" AND f:"6"`,
		"a-b":                 `"a-b"`,
		"and or not to":       `"and" AND "or" AND "not" AND "to"`,
		"ANDa ORb NOTc TO":    `"anda" AND "orb" AND "notc" AND "to"`,
		`"AND" f:"OR"`:        `"and" AND f:"or"`,
		"f:TO":                `f:"to"`,
		"f:a":                 `f:"a"`,
		"f : a":               `f:"a"`,
		"f :\ta":              `f:"a"`,
		"F:A":                 `F:"a"`,
		"f:a:b:c":             `f:"a:b:c"`,
		"f:a>b":               `f:"a>b"`,
		"f:(tv* AND -plasma)": `f:tv* AND NOT f:"plasma"`,
		"f:(a OR (b -c)) d":   `(f:"a" OR (f:"b" AND NOT f:"c")) AND "d"`,
		`f:(a\:b)`:            `f:"a:b"`,
		"f:[1 TO 5]":          `f:[1 TO 5]`,
		"f : [1 TO 5}":        `f:[1 TO 5}`,
		"f:{ -1.5 TO 1e3 ]":   `f:{-1.5 TO 1e3]`,
		"f:{* TO 5}":          `f:{* TO 5}`,
		"f:[* TO *]":          `f:*`,
		"f:[A TO 5]":          `f:["a" TO "5"]`,
		`f:["1" TO 5]`:        `f:["1" TO "5"]`,
		`f:["*" TO "TO"]`:     `f:["*" TO "to"]`,
		"f:[nan TO inf]":      `f:["nan" TO "inf"]`,
		"f>5":                 `f:{5 TO *}`,
		"f > 5":               `f:{5 TO *}`,
		"f>=-5":               `f:[-5 TO *}`,
		"f<5 g<=6":            `f:{* TO 5} AND g:{* TO 6]`,
		`f<="b c"`:            `f:{* TO "b c"]`,
		"f>2024-01-02":        `f:{"2024-01-02" TO *}`,
		"f:*":                 `f:*`,
		"f:**":                `f:*`,
		"*":                   `*`,
		"f:a*":                `f:a*`,
		"f:A**b?c":            `f:a*b?c`,
		`f:a\*b\?`:            `f:"a*b?"`,
		`f:a\**`:              `f:a\**`,
		`f:"a*"`:              `f:"a*"`,
		`f:" a  B "`:          `f:"a b"`,
		`f:" a "`:             `f:"a"`,
		`f:"\"\\"`:            `f:"\"\\"`,
		`f:""`:                `f:""`,
		`attributes.a\:b:c`:   `attributes.a\:b:"c"`,
		`attributes.a\ b:c`:   `attributes.a\ b:"c"`,
		"f:\u00c9":            `f:"\u00e9"`,
		"f:a\u00a0b":          "f:\"a\u00a0b\"",
		"a\u2003b":            `"a" AND "b"`,
	} {
		q, err := index.Parse(query)
		require.NoError(t, err, query)
		want = strings.ReplaceAll(want, `\u00e9`, "\u00e9")
		require.Equal(t, want, q.String(), query)
		again, err := index.Parse(q.String())
		require.NoError(t, err, query)
		require.Equal(t, q, again, query)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"shadow.foo:1":                                  "expected desired",
		"shadow.desired:1":                              "expected desired",
		"shadow.name.x.reported.a:1":                    `the named shadow "x" is not indexed`,
		"foo:1":                                         "there is no such field",
		"attributes:1":                                  "expected attributes.NAME",
		"deviceDefender.x:1":                            "expected deviceDefender.violationCount",
		"deviceDefender.p.b.x:1":                        "expected deviceDefender.violationCount",
		"deviceDefender..b.inViolation:true":            "expected deviceDefender.violationCount",
		"deviceDefender.p.b.inViolation:true":           "violations are not indexed",
		"deviceDefender.p.b.lastViolationValue.count>1": "violations are not indexed",
		"shadow.version>1":                              "aggregated, but not searched",
		"shadow.name.s.version>1":                       "aggregated, but not searched",
		"shadow.name.s.reported:1":                      "expected desired",
		"shadow.name.s:1":                               "expected desired",
		"shadow.name:1":                                 "expected desired",
		"attributes.:1":                                 "expected attributes.NAME",
		"thingName.x:1":                                 "there is no such field",
		"connectivity:1":                                "expected connectivity.connected",
		"connectivity.clientId:a":                       "expected connectivity.connected",
		"registry.version:1":                            "aggregated, but not searched",
		"registry.foo:1":                                "there is no such field",
		"connectivity.foo:1":                            "expected connectivity.connected",
	} {
		q, err := index.Parse(query)
		require.NoError(t, err)
		require.ErrorContains(t, schema.Check(q), want, query)
		require.ErrorIs(t, schema.Check(q), index.ErrInvalidQuery)
	}
	q, err := index.Parse("shadow.hasDelta:true OR connectivity.connected:true")
	require.NoError(t, err)
	require.NoError(t, schema.Check(q))
	require.ErrorContains(t, index.Schema{}.Check(q), "is not indexed")
	_, err = index.New(index.Schema{CustomFields: []index.Field{{Name: "attributes.a", Type: "Text"}}})
	require.ErrorIs(t, err, index.ErrInvalidSchema)
}

func TestPages(t *testing.T) {
	t.Parallel()
	x, err := index.New(index.Schema{})
	require.NoError(t, err)
	for i := range 25 {
		d := &index.Document{}
		d.AddString("attributes.a", fmt.Sprint(i%2))
		x.Put(fmt.Sprintf("t%02d", i), index.Part{"", d})
	}
	q, err := index.Parse("attributes.a:0")
	require.NoError(t, err)
	var all []string
	after := ""
	for {
		names, next, err := x.Search(q, after, 4)
		require.NoError(t, err)
		all = append(all, names...)
		if next == "" {
			break
		}
		after = next
	}
	require.Len(t, all, 13)
	require.True(t, slices.IsSorted(all))
	require.True(t, x.Delete("t00"))
	require.False(t, x.Delete("t00"))
	n, err := x.Count(q)
	require.NoError(t, err)
	require.Equal(t, 12, n)
}

func TestAggregations(t *testing.T) {
	t.Parallel()
	x := fleet(t)
	q, err := index.Parse("*")
	require.NoError(t, err)
	s, err := x.Statistics(q, "")
	require.NoError(t, err)
	require.Equal(t, 3, s.Count)
	require.True(t, s.Numeric)
	require.Equal(t, []float64{2, 6, 1, 3, 14}, []float64{s.Average, s.Sum, s.Minimum, s.Maximum, s.SumOfSquares})
	p, err := x.Percentiles(q, "registry.version", 0, 50, 75, 100)
	require.NoError(t, err)
	require.Equal(t, []index.Percentile{{0, 1}, {50, 2}, {75, 2.5}, {100, 3}}, p)
	n, err := x.Cardinality(q, "attributes.site")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	b, err := x.Buckets(q, "thingGroupNames", 1)
	require.NoError(t, err)
	require.Equal(t, index.Buckets{Total: 3, Buckets: []index.Bucket{{Key: "g1", Count: 1}}}, b)
	_, err = x.Statistics(q, "foo")
	require.ErrorIs(t, err, index.ErrInvalidAggregation)
	_, err = x.Percentiles(q, "registry.version", 101)
	require.ErrorIs(t, err, index.ErrInvalidAggregation)
	_, err = x.Buckets(q, "thingName", 10001)
	require.ErrorIs(t, err, index.ErrInvalidAggregation)
}

// Attributes are texts; those that read as numbers compare and add up as such.
func TestAttributesAsNumbers(t *testing.T) {
	t.Parallel()
	x, err := index.New(index.Schema{CustomFields: []index.Field{
		{Name: "attributes.temp", Type: index.Number}, {Name: "attributes.code", Type: index.String},
	}})
	require.NoError(t, err)
	for name, temp := range map[string]string{"a": "9", "b": "61.5", "c": "-1e2", "d": "warm", "e": "1e999", "f": "0x50", "g": ""} {
		d := &index.Document{}
		d.AddString("attributes.temp", temp)
		d.AddString("attributes.code", temp)
		x.Put(name, index.Part{"", d})
	}
	for query, want := range map[string][]string{
		"attributes.temp>60":             {"b"},
		"attributes.temp>=9":             {"a", "b"},
		"attributes.temp<0":              {"c"},
		"attributes.temp:[-100 TO 9]":    {"a", "c"},
		"attributes.temp:9":              {"a"},
		"attributes.temp:9.0":            nil,
		"attributes.temp:61*":            {"b"},
		`attributes.temp:["wa" TO "wb"]`: {"d"},
	} {
		q, err := index.Parse(query)
		require.NoError(t, err, query)
		got, _, err := x.Search(q, "", 0)
		require.NoError(t, err)
		require.Equal(t, want, got, query)
	}
	all, err := index.Parse("*")
	require.NoError(t, err)
	s, err := x.Statistics(all, "attributes.temp")
	require.NoError(t, err)
	require.Equal(t, index.Statistics{
		Count: 3, Numeric: true, Average: (9 + 61.5 - 100) / 3, Sum: 9 + 61.5 - 100, Minimum: -100, Maximum: 61.5,
		SumOfSquares: 81 + 61.5*61.5 + 1e4, Variance: s.Variance, StdDeviation: s.StdDeviation,
	}, s)
	p, err := x.Percentiles(all, "attributes.temp", 50)
	require.NoError(t, err)
	require.Equal(t, []index.Percentile{{Percent: 50, Value: 9}}, p)
	s, err = x.Statistics(all, "attributes.code")
	require.NoError(t, err)
	require.Equal(t, index.Statistics{Count: 7}, s, "a custom field of type String")
	_, err = x.Percentiles(all, "attributes.code", 50)
	require.ErrorIs(t, err, index.ErrInvalidAggregation)
}
