package shadow_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	type values = []string
	for name, c := range map[string]struct {
		before, after string // desired sides, "" for none
		patch, undo   string
		values        values
	}{
		"none and none":       {"", "", "", "", nil},
		"equal":               {`{"a":1,"b":[1,2.0],"c":{"d":{}}}`, `{"c":{"d":{}},"b":[1.0,2],"a":1e0}`, "", "", nil},
		"set":                 {`{"a":1}`, `{"a":2}`, `{"a":2}`, `{"a":1}`, values{"/a 1 2"}},
		"added":               {`{"a":1}`, `{"a":1,"b":{"c":26.500000}}`, `{"b":{"c":26.500000}}`, `{"b":null}`, values{`/b - {"c":26.500000}`}},
		"a new side":          {"", `{"a":{}}`, `{"a":{}}`, "null", values{"/a - {}"}},
		"nested":              {`{"o":{"p":{"x":1,"y":2},"q":0}}`, `{"o":{"p":{"x":1,"z":3},"q":0}}`, `{"o":{"p":{"y":null,"z":3}}}`, `{"o":{"p":{"z":null,"y":2}}}`, values{"/o/p/y 2 -", "/o/p/z - 3"}},
		"emptied":             {`{"o":{"x":1}}`, `{"o":{}}`, `{"o":{"x":null}}`, `{"o":{"x":1}}`, values{"/o/x 1 -"}},
		"array":               {`{"l":[1,{"a":1}]}`, `{"l":[1,{"a":2}]}`, `{"l":[1,{"a":2}]}`, `{"l":[1,{"a":1}]}`, values{`/l [1,{"a":1}] [1,{"a":2}]`}},
		"object for a scalar": {`{"o":1}`, `{"o":{"x":{}}}`, `{"o":{"x":{}}}`, `{"o":1}`, values{`/o 1 {"x":{}}`}},
		"types":               {`{"a":"1","b":0,"c":false}`, `{"a":1,"b":false,"c":"false"}`, `{"a":1,"b":false,"c":"false"}`, `{"a":"1","b":0,"c":false}`, values{`/a "1" 1`, "/b 0 false", `/c false "false"`}},
		"exact":               {`{"a":9007199254740993}`, `{"a":9007199254740992}`, `{"a":9007199254740992}`, `{"a":9007199254740993}`, values{"/a 9007199254740993 9007199254740992"}},
		"keys":                {`{"a/b":1,"~":1,"":1}`, `{"\u00e9\n\"":2}`, `{"a/b":null,"~":null,"":null,"é\n\"":2}`, `{"é\n\"":null,"a/b":1,"~":1,"":1}`, values{"/a~1b 1 -", "/~0 1 -", "/ 1 -", "/é\n\" - 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := shadow.Document{Version: 1, Desired: []byte(c.before)}, shadow.Document{Version: 2, Desired: []byte(c.after)}
			d, err := shadow.Diff(a, b)
			require.NoError(t, err)
			require.Equal(t, c.patch, string(d.Desired))
			require.Nil(t, d.Reported)
			require.Equal(t, c.patch == "", d.Equal())
			var got values
			for _, v := range d.Values {
				require.Equal(t, shadow.Desired, v.Side)
				got = append(got, v.Path+" "+or(v.Old)+" "+or(v.New))
			}
			require.Equal(t, c.values, got)
			back, err := shadow.Diff(b, a)
			require.NoError(t, err)
			require.Equal(t, c.undo, string(back.Desired))
		})
	}
}

func or(text []byte) string {
	if text == nil {
		return "-"
	}
	return string(text)
}

func TestDiffOfBothSides(t *testing.T) {
	t.Parallel()
	a := shadow.Document{Version: 1, Desired: []byte(`{"a":1}`), Reported: []byte(`{"a":0}`)}
	b := shadow.Document{Version: 2, Reported: []byte(`{"a":1}`)}
	d, err := shadow.Diff(a, b)
	require.NoError(t, err)
	require.Equal(t, `{"desired":null,"reported":{"a":1}}`, string(d.AppendJSON(nil)))
	require.Equal(t, []shadow.ValueChange{
		{Side: shadow.Desired, Path: "/a", Old: []byte("1")},
		{Side: shadow.Reported, Path: "/a", Old: []byte("0"), New: []byte("1")},
	}, d.Values)
	d, err = shadow.Diff(a, a)
	require.NoError(t, err)
	require.Equal(t, "{}", string(d.AppendJSON(nil)))

	for _, bad := range []string{"{", "5", `{"a":1,"a":2}`} {
		_, err = shadow.Diff(a, shadow.Document{Version: 1, Reported: []byte(bad)})
		require.ErrorContains(t, err, "shadow: the reported side ", bad)
	}
}

// A difference as an update makes the one document of the other, and an inverse one
// undoes it.
func TestDiffIsAnUpdate(t *testing.T) {
	t.Parallel()
	svc := service(t, shadow.Config{})
	for seed := range uint64(300) {
		make := maker{rand.New(rand.NewPCG(seed, 9))}
		document := func() (d shadow.Document) {
			for range 1 + make.IntN(3) {
				a, err := svc.Apply(d, []byte(make.request()), 1)
				require.NoError(t, err)
				d = a.Document
			}
			return d
		}
		a, b := document(), document()
		d, err := shadow.Diff(a, b)
		require.NoError(t, err)
		c, err := svc.Apply(a, fmt.Appendf(nil, `{"state":%s}`, d.AppendJSON(nil)), 2)
		require.NoError(t, err, "%s", d.AppendJSON(nil))
		rest, err := shadow.Diff(c.Document, b)
		require.NoError(t, err)
		require.True(t, rest.Equal(), "%s and %s: %s leaves %s", a.AppendState(nil), b.AppendState(nil), d.AppendJSON(nil), rest.AppendJSON(nil))
		require.Equal(t, d.Equal(), len(d.Values) == 0)
	}
}

func ExampleDiff() {
	before := shadow.Document{Version: 1, Desired: []byte(`{"fan":{"speed":1},"mode":"auto"}`)}
	after := shadow.Document{Version: 2, Desired: []byte(`{"fan":{"speed":3}}`)}
	d, err := shadow.Diff(before, after)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", d.Desired)
	for _, v := range d.Values {
		fmt.Printf("%s%s: %s -> %s\n", v.Side, v.Path, v.Old, v.New)
	}
	// Output:
	// {"fan":{"speed":3},"mode":null}
	// desired/fan/speed: 1 -> 3
	// desired/mode: "auto" ->
}
