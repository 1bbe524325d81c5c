package shadow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// Names of members are told apart as the document does, not as encoding/json does.
func TestTyped_CaseOfNames(t *testing.T) {
	t.Parallel()
	type inner struct {
		Speed int `json:"speed"`
	}
	type Base struct {
		Serial string `json:"serial,omitempty"`
		Shared int    `json:"shared,omitempty"`
	}
	type device struct {
		*Base
		Target  float64           `json:"target"`
		Shared  int               // nearer than that of Base
		Fans    []inner           `json:"fans,omitempty"`
		ByName  map[string]*inner `json:"byName,omitempty"`
		private int
		Skipped int             `json:"-"`
		Raw     json.RawMessage `json:"raw,omitempty"`
		Any     any             `json:"any,omitempty"`
		Odd     int             `json:"é/x,omitempty"`
	}
	svc := service(t, shadow.Config{})
	document := `{"TARGET":1,"target":2,"Target":3,"SERIAL":"no","serial":"yes","SHARED":1,"Shared":2,"fans":[{"SPEED":1,"speed":2},{"Speed":3}],` +
		`"byName":{"A":{"speed":4,"sPEED":5},"a":{"SPEED":6}},"private":1,"Skipped":1,"raw":{"Speed":1},"RAW":0,"any":{"ANY":1},"É/x":9}`
	must(t, svc, hall, `{"reported":`+document+`}`)
	d := shadow.Of[device](svc, hall)
	s, err := d.Get(t.Context())
	require.NoError(t, err)
	want := device{
		Base: &Base{Serial: "yes"}, Target: 2, Shared: 2, Fans: []inner{{2}, {0}}, ByName: map[string]*inner{"A": {4}, "a": {0}},
		Raw: json.RawMessage(`{"Speed":1}`), Any: map[string]any{"ANY": 1.0},
	}
	require.Equal(t, want, s.Reported)
	s, err = d.Change(t.Context(), shadow.Reported, func(d *device) error {
		d.Target, d.ByName["A"].Speed, d.private = 20, 40, 1
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 20.0, s.Reported.Target)
	v, err := svc.Get(t.Context(), hall, shadow.Requester{})
	require.NoError(t, err)
	changed := strings.Replace(strings.Replace(document, `"target":2`, `"target":20`, 1), `"speed":4`, `"speed":40`, 1)
	require.JSONEq(t, changed, string(v.Reported))
}

// A T may be a map, and the sides of a shadow that is not there are empty ones.
func TestTyped_Maps(t *testing.T) {
	t.Parallel()
	svc := service(t, shadow.Config{})
	m := shadow.Of[map[string]any](svc, hall)
	s, err := m.Get(t.Context())
	require.NoError(t, err)
	require.Zero(t, s)
	s, err = m.Change(t.Context(), shadow.Desired, func(m *map[string]any) error {
		(*m)["a"], (*m)["b"] = 1, map[string]any{"c": nil, "d": []any{map[string]any{"e": nil, "f": "<&>"}}}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": 1.0, "b": map[string]any{"d": []any{map[string]any{"f": "<&>"}}}}, s.Desired)
	require.NoError(t, m.Update(t.Context(), shadow.Reported, nil, map[string]any{"x": 1}))
	require.NoError(t, m.Update(t.Context(), shadow.Reported, map[string]any{"x": 1}, nil))
	require.NoError(t, m.Update(t.Context(), shadow.Reported, nil, map[string]any{}))
	s, err = m.Get(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, s.Version)
	require.Nil(t, s.Reported)

	p := shadow.Of[*room](svc, shadow.Key{Thing: "pointer"})
	ps, err := p.Change(t.Context(), shadow.Desired, func(r **room) error { (*r).Target = 5; return nil })
	require.NoError(t, err)
	require.Equal(t, &room{Target: 5}, ps.Desired)

	type typedMap map[string]fan
	fans := shadow.Of[typedMap](svc, shadow.Key{Thing: "fans"})
	fs, err := fans.Change(t.Context(), shadow.Reported, func(m *typedMap) error { (*m)["é"] = fan{Speed: 1}; return nil })
	require.NoError(t, err)
	require.Equal(t, typedMap{"é": {Speed: 1}}, fs.Reported)
}

// What is null in Go is absent in the document; zero is zero.
func TestTyped_NullAndZero(t *testing.T) {
	t.Parallel()
	type item struct {
		N *int `json:"n"`
	}
	type device struct {
		Count  int              `json:"count"`
		Empty  int              `json:"empty,omitempty"`
		Ptr    *int             `json:"ptr"`
		Item   item             `json:"item"`
		Items  []item           `json:"items"`
		ByName map[string]*item `json:"byName"`
	}
	svc := service(t, shadow.Config{})
	d := shadow.Of[device](svc, hall)
	one := 1
	steps := []struct {
		change func(*device)
		want   string
	}{
		{func(d *device) { d.Count, d.Empty = 1, 1 }, `{"count":1,"empty":1}`},
		{func(d *device) { d.Count, d.Empty, d.Ptr = 0, 0, &one }, `{"count":0,"ptr":1}`},
		{func(d *device) { d.Ptr, d.Item.N = nil, &one }, `{"count":0,"item":{"n":1}}`},
		{func(d *device) { d.Item.N, d.Items = nil, []item{{}, {&one}} }, `{"count":0,"item":{},"items":[{},{"n":1}]}`},
		{func(d *device) { d.Items, d.ByName = nil, map[string]*item{"a": {}, "b": nil} }, `{"count":0,"item":{},"byName":{"a":{}}}`},
		{func(d *device) { *d = device{} }, `{"count":0,"item":{}}`},
	}
	for i, step := range steps {
		_, err := d.Change(t.Context(), shadow.Desired, func(d *device) error { step.change(d); return nil })
		require.NoError(t, err)
		v, err := svc.Get(t.Context(), hall, shadow.Requester{})
		require.NoError(t, err)
		require.JSONEq(t, step.want, string(v.Desired), i)
		require.EqualValues(t, i+1, v.Version)
	}
	// A null as an element has no place in a shadow.
	err := shadow.Of[map[string][]*int](svc, hall).Update(t.Context(), shadow.Desired, nil, map[string][]*int{"l": {nil}})
	require.ErrorIs(t, err, shadow.ErrInvalid)
}

// Numbers are not touched unless they are changed.
func TestTyped_Numbers(t *testing.T) {
	t.Parallel()
	type device struct {
		Float  float64     `json:"float"`
		Any    any         `json:"any"`
		Number json.Number `json:"number"`
		Count  int64       `json:"count"`
	}
	svc := service(t, shadow.Config{})
	must(t, svc, hall, `{"reported":{"float":26.500000,"any":9007199254740993,"number":1.000,"count":9007199254740993,"big":18446744073709551616}}`)
	d := shadow.Of[device](svc, hall)
	s, err := d.Change(t.Context(), shadow.Reported, func(d *device) error { d.Count++; return nil })
	require.NoError(t, err)
	require.Equal(t, json.Number("1.000"), s.Reported.Number)
	v, err := svc.Get(t.Context(), hall, shadow.Requester{})
	require.NoError(t, err)
	require.Equal(t, `{"float":26.500000,"any":9007199254740993,"number":1.000,"count":9007199254740994,"big":18446744073709551616}`, string(v.Reported))
}

// A custom celsius reads and writes itself, and not all of it.
type custom struct{ celsius float64 }

func (c *custom) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, " {\"c\": %g, \"empty\": {}, \"html\": \"<b>\"}", c.celsius), nil
}

func (c *custom) UnmarshalJSON(text []byte) error {
	var v struct{ C, Kelvin float64 }
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	if c.celsius = v.C; v.Kelvin != 0 {
		return errors.New("use Celsius")
	}
	return nil
}

func TestTyped_CustomJSON(t *testing.T) {
	t.Parallel()
	svc := service(t, shadow.Config{})
	d := shadow.Of[custom](svc, hall)
	s, err := d.Change(t.Context(), shadow.Reported, func(c *custom) error { c.celsius = 20; return nil })
	require.NoError(t, err)
	require.Equal(t, custom{20}, s.Reported)
	s, err = d.Change(t.Context(), shadow.Reported, func(c *custom) error { c.celsius++; return nil })
	require.NoError(t, err)
	require.Equal(t, custom{21}, s.Reported)
	v, err := svc.Get(t.Context(), hall, shadow.Requester{})
	require.NoError(t, err)
	require.JSONEq(t, `{"c":21}`, string(v.Reported), "only what f has changed was written")
	must(t, svc, hall, `{"reported":{"Kelvin":300}}`)
	_, err = d.Get(t.Context())
	require.ErrorIs(t, err, shadow.ErrMisfit)
	require.ErrorContains(t, err, "shadow: reported of hall: use Celsius")
}

// From any document to any other one by a pair of values.
func TestTyped_UpdateReachesAnyDocument(t *testing.T) {
	t.Parallel()
	svc := service(t, shadow.Config{})
	for seed := range uint64(200) {
		make := maker{rand.New(rand.NewPCG(seed, 11))}
		k := shadow.Key{Thing: strconv.Itoa(int(seed))}
		m := shadow.Of[map[string]any](svc, k)
		var before map[string]any
		for range 4 {
			var after map[string]any
			d := json.NewDecoder(strings.NewReader(make.object(3, true, 1+make.IntN(8))))
			d.UseNumber()
			require.NoError(t, d.Decode(&after))
			require.NoError(t, m.Update(t.Context(), shadow.Desired, before, after))
			want := shadow.Document{Version: 1, Desired: shadow.Canonical(encoded(t, dropNulls(after)))}
			v, err := svc.Get(t.Context(), k, shadow.Requester{})
			if errors.Is(err, shadow.ErrNotFound) {
				require.Empty(t, dropNulls(after))
			} else {
				require.NoError(t, err)
			}
			left, err := shadow.Diff(v.Document, want)
			require.NoError(t, err)
			require.True(t, left.Equal(), "%s and %s", v.Desired, want.Desired)
			before = after
		}
	}
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}

// dropNulls returns v without members that are null.
func dropNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e != nil {
				out[k] = dropNulls(e)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, dropNulls(e))
		}
		return out
	}
	return v
}
