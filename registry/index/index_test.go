package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
			d.AddJSON("shadow.reported", []byte(`{"temp":21.5,"fan":{"on":true},"tags":["red","blue"],"objects":[{"a":1}],"none":null,"when":"2024-01-02"}`))
			d.AddBool("connectivity.connected", true)
		},
		"tv2": func(d *index.Document) {
			d.AddString("attributes.site", "south")
			d.AddString("attributes.code", "007")
			d.AddNumber("registry.version", 3)
			d.AddJSON("shadow.reported", []byte(`{"temp":-4,"fan":{"on":false}}`))
			d.AddBool("connectivity.connected", false)
		},
		"plasma": func(d *index.Document) {
			d.AddString("attributes.site", "north")
			d.AddString("attributes.code", "a:b*c")
			d.AddNumber("registry.version", 2)
			d.AddString("thingGroupNames", "g1")
			d.AddString("thingGroupNames", "g2")
			d.AddJSON("shadow.name.s.desired", []byte(`{"temp":100}`))
		},
	} {
		d := &index.Document{}
		d.AddString("thingName", name)
		fill(d)
		x.Put(name, d)
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
		"":                          `at offset 0: found the end of the query, expected a value`,
		"a AND":                     `at offset 5: found the end of the query, expected a value`,
		"AND a":                     `at offset 0: found "AND", expected a term`,
		"a OR OR b":                 `expected a term`,
		"(a":                        `expected ")"`,
		"a)":                        `expected AND, OR or the end`,
		`thingName:"a`:              `expected the closing quote`,
		"thingName:*a":              `does not begin with a wildcard`,
		"thingName:?a":              `does not begin with a wildcard`,
		"f:[1 2]":                   `expected TO`,
		"f:[1 TO 2":                 `expected "]" or "}"`,
		"f:[a* TO b]":               `without wildcards`,
		"f>":                        `expected a number or a text`,
		"f:":                        `expected a value`,
		"a b c d e f g h i j k l m": `expected at most 12 terms`,
	} {
		_, err := index.Parse(query)
		require.ErrorIs(t, err, index.ErrInvalidQuery, query)
		require.ErrorContains(t, err, want, query)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"shadow.foo:1":               "expected desired",
		"shadow.desired:1":           "expected desired",
		"shadow.name.x.reported.a:1": `the named shadow "x" is not indexed`,
		"foo:1":                      "there is no such field",
		"attributes:1":               "expected attributes.NAME",
		"deviceDefender.x:1":         "violations are not indexed",
		"registry.version:1":         "there is no such field",
		"connectivity.foo:1":         "there is no such field",
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
		x.Put(fmt.Sprintf("t%02d", i), d)
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

// What a search finds in the index is what it finds one by one.
func TestSearchAgreesWithMatch(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	x, err := index.New(schema)
	require.NoError(t, err)
	docs := map[string]*index.Document{}
	values := []string{"a", "b", "A b", "b a c", "1", "1.0", "true", "", "x y"}
	fields := []string{"thingName", "attributes.a", "attributes.b", "shadow.reported.a", "thingGroupNames"}
	for range 400 {
		name := fmt.Sprint("t", r.IntN(150))
		if r.IntN(5) == 0 {
			x.Delete(name)
			delete(docs, name)
			continue
		}
		d := &index.Document{}
		for range r.IntN(5) {
			f := fields[r.IntN(len(fields))]
			switch r.IntN(4) {
			case 0:
				d.AddNumber(f, float64(r.IntN(3)))
			case 1:
				d.AddBool(f, r.IntN(2) == 0)
			default:
				d.AddString(f, values[r.IntN(len(values))])
			}
		}
		x.Put(name, d)
		docs[name] = d
	}
	require.Equal(t, len(docs), x.Len())
	term := func() string {
		f := fields[r.IntN(len(fields))]
		switch r.IntN(5) {
		case 0:
			return f + ">=" + fmt.Sprint(r.IntN(3))
		case 1:
			return f + ":a*"
		case 2:
			return `"` + values[r.IntN(len(values))] + `"`
		}
		return f + `:"` + values[r.IntN(len(values))] + `"`
	}
	for range 3000 {
		text := term()
		for range r.IntN(4) {
			text += []string{" AND ", " OR ", " ", " NOT "}[r.IntN(4)] + term()
		}
		q, err := index.Parse(text)
		require.NoError(t, err, text)
		var want []string
		for name, d := range docs {
			if q.Match(d) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		got, _, err := x.Search(q, "", 0)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
}

// FuzzParse: nothing panics, and what is read can be written and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"*", "a:b", `a:"b c" AND -d:[1 TO *}`, "a:(b OR c*) NOT d>=1", `\:a:\*`, "((", "a:?", `"\"`} {
		f.Add(s)
	}
	d := &index.Document{}
	d.AddString("a", "b c")
	d.AddNumber("d", 1)
	f.Fuzz(func(t *testing.T, s string) {
		q, err := index.Parse(s)
		if err != nil {
			require.ErrorIs(t, err, index.ErrInvalidQuery)
			return
		}
		again, err := index.Parse(q.String())
		require.NoError(t, err, "%q became %q", s, q.String())
		require.Equal(t, q.String(), again.String())
		require.Equal(t, q.Match(d), again.Match(d))
	})
}

func BenchmarkSearch(b *testing.B) {
	x, err := index.New(index.Schema{})
	require.NoError(b, err)
	for i := range 100_000 {
		d := &index.Document{}
		d.AddString("thingName", fmt.Sprint("t", i))
		d.AddString("attributes.site", fmt.Sprint("site-", i%10_000))
		x.Put(fmt.Sprint("t", i), d)
	}
	q, err := index.Parse("attributes.site:site-77")
	require.NoError(b, err)
	for b.Loop() {
		if names, _, _ := x.Search(q, "", 100); len(names) != 10 {
			b.Fatal(len(names))
		}
	}
}
