package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

type onUpdating func(*shadow.Pending) error

func (f onUpdating) Updating(_ context.Context, p *shadow.Pending) error { return f(p) }

type onDeleting func(*shadow.Pending) error

func (f onDeleting) Deleting(_ context.Context, p *shadow.Pending) error { return f(p) }

type onChanged func(*shadow.Change)

func (f onChanged) Changed(_ context.Context, c *shadow.Change) { f(c) }

type validator func(current string) error

func (f validator) Validate(_ context.Context, _ shadow.Key, current []byte) error {
	return f(string(current))
}

const setOne = `{"state":{"desired":{"a":1}},"clientToken":"x"}`

func TestHooksVeto(t *testing.T) {
	t.Parallel()
	cause := errors.New("not on Sundays")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a plain error":      {cause, `{"code":403,"message":"Forbidden","clientToken":"x"}`},
		"a refusal":          {shadow.Refuse(422, "Not <this>"), `{"code":422,"message":"Not <this>","clientToken":"x"}`},
		"a wrapped refusal":  {fmt.Errorf("hook: %w", shadow.Refuse(400, "No")), `{"code":400,"message":"No","clientToken":"x"}`},
		"not a refusal code": {shadow.Refuse(200, "No"), `{"code":403,"message":"No","clientToken":"x"}`},
		"a sentinel":         {fmt.Errorf("hook: %w", shadow.ErrThrottled), `{"code":429,"message":"Too many requests","clientToken":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			r := newRig(t, shadow.Config{Hooks: []shadow.Hook{
				onUpdating(func(*shadow.Pending) error { calls++; return c.err }),
				onUpdating(func(*shadow.Pending) error { require.Fail(t, "asked after a refusal"); return nil }),
				onChanged(func(*shadow.Change) { require.Fail(t, "told of a refused change") }),
			}})
			require.Equal(t, []message{{topic + "update/rejected", c.want}}, r.send(t, topic+"update", setOne))
			_, err := r.svc.Update(t.Context(), shadow.Key{Thing: "t"}, []byte(setOne), shadow.Requester{})
			require.ErrorIs(t, err, c.err)
			require.Equal(t, 2, calls)
			_, err = r.svc.Get(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{})
			require.ErrorIs(t, err, shadow.ErrNotFound)
		})
	}
}

func TestHooksRewrite(t *testing.T) {
	t.Parallel()
	var seen []string
	r := newRig(t, shadow.Config{Hooks: []shadow.Hook{
		onUpdating(func(p *shadow.Pending) error {
			seen = append(seen, string(p.State))
			p.State = []byte(" { \"desired\" : {\"a\":2} , \"reported\":{\"b\":null}, \"delta\":1 }")
			return nil
		}),
		onUpdating(func(p *shadow.Pending) error {
			seen = append(seen, string(p.State))
			return nil
		}),
		onUpdating(func(p *shadow.Pending) error {
			p.State = []byte(strings.Replace(string(p.State), "2", "3", 1))
			return nil
		}),
	}})
	got := r.send(t, topic+"update", `{"state":{"delta":{},"desired":{"a":1}},"clientToken":"x","version":0}`)
	require.Equal(t, []string{`{"desired":{"a":1}}`, `{"desired":{"a":2},"reported":{"b":null}}`}, seen)
	require.Equal(t, topic+"update/accepted", got[1].topic)
	require.Contains(t, got[1].payload, `{"state":{"desired":{"a":3},"reported":{"b":null}},"metadata":`)
	require.Contains(t, got[1].payload, `,"clientToken":"x"}`)
	v, err := r.svc.Get(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{})
	require.NoError(t, err)
	require.Equal(t, `{"desired":{"a":3}}`, string(v.AppendState(nil)))
}

// A device reports all it has, as it always does, and a hook lets through a part.
func TestHooksRewriteAWholeReport(t *testing.T) {
	t.Parallel()
	hold := false
	r := newRig(t, shadow.Config{Hooks: []shadow.Hook{onUpdating(func(p *shadow.Pending) error {
		if hold {
			p.State = []byte(`{"reported":{"b":5}}`)
		}
		return nil
	})}})
	r.send(t, topic+"update", `{"state":{"reported":{"a":1,"b":2,"c":{"d":"e"}}}}`)
	hold = true
	got := r.send(t, topic+"update", `{"state":{"reported":{"a":3,"b":4,"c":{"d":"longer"}}}}`)
	require.Equal(t, topic+"update/documents", got[1].topic)
	require.Contains(t, got[1].payload, `{"previous":{"state":{"reported":{"a":1,"b":2,"c":{"d":"e"}}},`)
	require.Contains(t, got[1].payload, `"current":{"state":{"reported":{"a":1,"b":5,"c":{"d":"e"}}},`)
}

func TestRewrittenStateIsChecked(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{
		``:                               "Invalid JSON",
		`{`:                              "Invalid JSON",
		`{"desired":{"a":1,"a":2}}`:      "Invalid JSON",
		"{\"desired\":{\"a\":\"\xff\"}}": "Invalid JSON",
		`5`:                              "State node must be an object",
		`{"foo":1}`:                      "State contains an invalid node: 'foo'",
		`{"desired":{"a":[null]}}`:       "State contains an invalid node: 'a'",
		`{"reported":` + strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9) + `}`: "JSON contains too many levels of nesting; maximum is 8",
	} {
		r := newRig(t, shadow.Config{Hooks: []shadow.Hook{onUpdating(func(p *shadow.Pending) error {
			p.State = []byte(state)
			return nil
		})}})
		_, err := r.svc.Update(t.Context(), shadow.Key{Thing: "t"}, []byte(setOne), shadow.Requester{})
		require.ErrorIs(t, err, shadow.ErrInvalid, state)
		require.ErrorContains(t, err, want, state)
	}
}

func TestPending(t *testing.T) {
	t.Parallel()
	var got []shadow.Pending
	keep := func(p *shadow.Pending) error { got = append(got, *p); return nil }
	svc, err := shadow.New(shadow.Config{Hooks: []shadow.Hook{onUpdating(keep), onDeleting(keep)}})
	require.NoError(t, err)
	k, by := shadow.Key{Thing: "t", Name: "n"}, shadow.Requester{Source: shadow.FromHTTP, Principal: "p"}
	for _, request := range []string{setOne, `{"state":{"reported":null}}`, `{"state":null}`, `{"state":{}}`} {
		_, err := svc.Update(t.Context(), k, []byte(request), by)
		require.NoError(t, err)
	}
	_, err = svc.Delete(t.Context(), k, by)
	require.NoError(t, err)
	require.Len(t, got, 5)
	for i, want := range []struct{ desired, reported bool }{{true, false}, {false, true}, {true, true}, {false, false}, {true, true}} {
		require.Equal(t, k, got[i].Key)
		require.Equal(t, by, got[i].By)
		require.EqualValues(t, i, got[i].Current.Version)
		require.Equal(t, i > 0, got[i].Current.Live())
		require.Equal(t, want.desired, got[i].Writes(shadow.Desired), i)
		require.Equal(t, want.reported, got[i].Writes(shadow.Reported), i)
	}
	require.Nil(t, got[4].State)
}

func TestChanges(t *testing.T) {
	t.Parallel()
	var got []*shadow.Change
	r := newRig(t, shadow.Config{})
	svc, err := shadow.New(shadow.Config{
		Hooks: []shadow.Hook{onChanged(func(c *shadow.Change) {
			require.Empty(t, r.messages, "observers come before messages")
			got = append(got, c)
		})},
		Publisher: shadow.PublisherFunc(func(_ context.Context, topic string, payload []byte) error {
			r.messages = append(r.messages, message{topic, string(payload)})
			return nil
		}),
	})
	require.NoError(t, err)
	for _, step := range []string{
		"update " + setOne, `update {"state":{"reported":{"a":1.0}}}`, `update {"state":{"reported":5}}`, "get", "delete", "delete", `update {"state":{"reported":{"b":2}}}`,
	} {
		r.messages = nil
		op, payload, _ := strings.Cut(step, " ")
		_, err := svc.Handle(t.Context(), topic+op, []byte(payload), device)
		require.NoError(t, err)
	}
	require.Len(t, got, 4)
	require.False(t, got[0].Previous.Live())
	require.Equal(t, shadow.Document{}, got[0].Previous)
	require.Equal(t, `{"a":1}`, string(got[0].Delta))
	require.Equal(t, device, got[0].By)
	require.Equal(t, shadow.Key{Thing: "t"}, got[0].Key)
	require.Equal(t, got[0].Current, got[1].Previous)
	require.Nil(t, got[1].Delta)
	require.Equal(t, shadow.Deleted, got[2].Kind)
	require.Equal(t, got[1].Current, got[2].Previous)
	require.EqualValues(t, 2, got[2].Current.Version)
	require.False(t, got[2].Current.Live())
	require.False(t, got[3].Previous.Live())
	require.EqualValues(t, 3, got[3].Current.Version)
	require.Equal(t, shadow.Updated, got[3].Kind)
	require.Equal(t, `{"reported":{"b":2}}`, string(got[3].Current.AppendState(nil)))
}

func TestDeletingVeto(t *testing.T) {
	t.Parallel()
	r := newRig(t, shadow.Config{Hooks: []shadow.Hook{onDeleting(func(p *shadow.Pending) error {
		if p.By.Source != shadow.FromHost {
			return errors.New("ask the operator")
		}
		return nil
	})}})
	r.send(t, topic+"update", setOne)
	require.Equal(t, []message{{topic + "delete/rejected", `{"code":403,"message":"Forbidden"}`}}, r.send(t, topic+"delete", ""))
	_, err := r.svc.Delete(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{})
	require.NoError(t, err)
}

func TestValidators(t *testing.T) {
	t.Parallel()
	var seen []string
	var verdict error
	r := newRig(t, shadow.Config{Validators: []shadow.Validator{
		validator(func(current string) error { seen = append(seen, current); return nil }),
		validator(func(string) error { return verdict }),
	}})
	r.send(t, topic+"update", `{"state":{"desired":{"a":1},"reported":{"b":2}}}`)
	verdict = errors.New("/desired/a is 3, expected at most 2")
	require.Equal(t, []message{{topic + "update/rejected", `{"code":400,"message":"/desired/a is 3, expected at most 2"}`}},
		r.send(t, topic+"update", `{"state":{"desired":{"a":3}}}`))
	verdict = shadow.Refuse(409, "Later")
	require.Equal(t, []message{{topic + "update/rejected", `{"code":409,"message":"Later"}`}}, r.send(t, topic+"update", `{"state":null}`))
	verdict = nil
	require.Equal(t, []string{`{"desired":{"a":1},"reported":{"b":2}}`, `{"desired":{"a":3},"reported":{"b":2}}`, `{}`}, seen)
	v, err := r.svc.Get(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{})
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Version)
}

func TestRequire(t *testing.T) {
	t.Parallel()
	down := errors.New("registry is down")
	r := newRig(t, shadow.Config{Require: func(_ context.Context, thing string) error {
		switch thing {
		case "t":
			return nil
		case "down":
			return down
		case "other":
			return shadow.Refuse(403, "Not yours")
		}
		return fmt.Errorf("registry: %w", shadow.ErrNotFound)
	}})
	require.Len(t, r.send(t, topic+"update", setOne), 3)
	ghost := "$aws/things/ghost/shadow/"
	require.Equal(t, []message{{ghost + "update/rejected", `{"code":404,"message":"Thing not found","clientToken":"x"}`}}, r.send(t, ghost+"update", setOne))
	require.Equal(t, []message{{ghost + "get/rejected", `{"code":404,"message":"No shadow exists with name: 'ghost'"}`}}, r.send(t, ghost+"get", ""))
	_, err := r.svc.Update(t.Context(), shadow.Key{Thing: "ghost"}, []byte(setOne), shadow.Requester{})
	require.ErrorIs(t, err, shadow.ErrNotFound)
	_, err = r.svc.Update(t.Context(), shadow.Key{Thing: "other"}, []byte(setOne), shadow.Requester{})
	require.ErrorIs(t, err, shadow.ErrForbidden)
	_, err = r.svc.Handle(t.Context(), "$aws/things/down/shadow/update", []byte(setOne), device)
	require.ErrorIs(t, err, down)
}

// A hook that panics fails its request and nothing else.
func TestPanics(t *testing.T) {
	t.Parallel()
	var log logBuffer
	where := ""
	boom := func(here string) {
		if where == here {
			panic("boom in " + here)
		}
	}
	r := newRig(t, shadow.Config{
		Logger:     log.logger(),
		Require:    func(context.Context, string) error { boom("require"); return nil },
		Validators: []shadow.Validator{validator(func(string) error { boom("validator"); return nil })},
		Hooks: []shadow.Hook{
			onUpdating(func(*shadow.Pending) error { boom("updating"); return nil }),
			onDeleting(func(*shadow.Pending) error { boom("deleting"); return nil }),
			onChanged(func(*shadow.Change) { boom("changed") }),
		},
	})
	for _, where = range []string{"require", "validator", "updating"} {
		r.messages = nil
		_, err := r.svc.Handle(t.Context(), topic+"update", []byte(setOne), device)
		require.ErrorIs(t, err, shadow.ErrInternal)
		require.ErrorContains(t, err, "boom in "+where)
		require.Equal(t, []message{{topic + "update/rejected", `{"code":500,"message":"Internal service failure","clientToken":"x"}`}}, r.messages)
		require.Contains(t, log.String(), "boom in "+where)
	}
	where = "changed"
	require.Len(t, r.send(t, topic+"update", setOne), 3, "the change is made")
	require.Contains(t, log.String(), "boom in changed")
	where = "deleting"
	_, err := r.svc.Delete(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{})
	require.ErrorIs(t, err, shadow.ErrInternal)
	where = ""
	_, err = r.svc.Delete(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{})
	require.NoError(t, err)
}
