package shadow_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

func TestRestrict(t *testing.T) {
	t.Parallel()
	desired, reported := []shadow.Side{shadow.Desired}, []shadow.Side{shadow.Reported}
	itself := shadow.Requester{Source: shadow.FromMQTT, ClientID: "t", Principal: "cert-1"}
	neighbour := shadow.Requester{Source: shadow.FromMQTT, ClientID: "u", Principal: "cert-2"}
	app := shadow.Requester{Source: shadow.FromHTTP, ClientID: "t", Principal: "user/app-1"}
	admin := shadow.Requester{Source: shadow.FromHTTP, Principal: "user/root"}
	rule := shadow.Requester{Source: shadow.FromRule}
	rules := []shadow.Rule{
		{Who: shadow.Principals("root", "user/r*t"), Write: []shadow.Side{shadow.Desired, shadow.Reported}},
		{Who: shadow.ItsDevice, Write: reported},
		{Who: shadow.Via(shadow.FromHTTP, shadow.FromRule), Write: desired},
	}
	svc := service(t, shadow.Config{Hooks: []shadow.Hook{shadow.Restrict(rules...)}})
	rules[2].Write = nil // which changes nothing
	k := shadow.Key{Thing: "t", Name: "config"}
	const (
		d, r, both, none, null, clear = `{"desired":{"a":1}}`, `{"reported":{"a":1}}`, `{"desired":{"a":2},"reported":{"a":2}}`, `{}`, `{"desired":null}`, `null`
		remove                        = "delete"
	)
	for _, c := range []struct {
		by      shadow.Requester
		allowed []string
		why     string
	}{
		{shadow.Requester{}, []string{d, r, both, none, null, clear, remove}, ""},
		{admin, []string{d, r, both, none, null, clear, remove}, ""},
		{itself, []string{r, none}, "mqtt client t (principal cert-1) may not write desired of t~config"},
		{app, []string{d, none, null}, "http client t (principal user/app-1) may not write reported of t~config"},
		{rule, []string{d, none, null}, "rule may not write reported of t~config"},
		{neighbour, []string{none}, "mqtt client u (principal cert-2) may not write"},
	} {
		for _, request := range []string{d, r, both, none, null, clear, remove} {
			must(t, svc, k, `{"desired":{"x":1}}`)
			before, err := svc.Get(t.Context(), k, shadow.Requester{})
			require.NoError(t, err)
			if request == remove {
				_, err = svc.Delete(t.Context(), k, c.by)
			} else {
				_, err = svc.Update(t.Context(), k, []byte(`{"state":`+request+`}`), c.by)
			}
			if slices.Contains(c.allowed, request) {
				require.NoError(t, err, "%s %s", c.by, request)
				continue
			}
			require.ErrorIs(t, err, shadow.ErrForbidden, "%s %s", c.by, request)
			require.ErrorContains(t, err, c.why)
			after, err := svc.Get(t.Context(), k, shadow.Requester{})
			require.NoError(t, err)
			require.Equal(t, before.Document, after.Document)
		}
	}
	// Reading is everybody's.
	_, err := svc.Get(t.Context(), k, neighbour)
	require.NoError(t, err)
	// Without a rule that is about a request nothing is allowed; the requester is told
	// no more than that.
	rig := newRig(t, shadow.Config{Hooks: []shadow.Hook{shadow.Restrict()}})
	require.Equal(t, []message{{topic + "update/rejected", `{"code":403,"message":"Forbidden","clientToken":"x"}`}}, rig.send(t, topic+"update", setOne))
}

// Devices report what they are, applications say what is wanted.
func ExampleRestrict() {
	svc, err := shadow.New(shadow.Config{Hooks: []shadow.Hook{shadow.Restrict(
		shadow.Rule{Who: shadow.ItsDevice, Write: []shadow.Side{shadow.Reported}},
		shadow.Rule{Who: shadow.Principals("app-*"), Write: []shadow.Side{shadow.Desired}},
	)}})
	if err != nil {
		panic(err)
	}
	device := shadow.Requester{Source: shadow.FromMQTT, ClientID: "lamp"}
	app := shadow.Requester{Source: shadow.FromHTTP, Principal: "app-7"}
	for _, by := range []shadow.Requester{device, app} {
		for _, side := range []string{"desired", "reported"} {
			_, err := svc.Update(context.Background(), shadow.Key{Thing: "lamp"}, []byte(`{"state":{"`+side+`":{"on":true}}}`), by)
			fmt.Println(by, side, err)
		}
	}
	// Output:
	// mqtt client lamp desired shadow: 403 Forbidden: mqtt client lamp may not write desired of lamp
	// mqtt client lamp reported <nil>
	// http (principal app-7) desired <nil>
	// http (principal app-7) reported shadow: 403 Forbidden: http (principal app-7) may not write reported of lamp
}
