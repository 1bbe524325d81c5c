package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestShadow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, side, payload, want string }{
		{"reported", "reported", `{"t": 1.0}`, `{"state":{"reported":{"t": 1.0}}}`},
		{"desired", "desired", `{}`, `{"state":{"desired":{}}}`},
		{"whole update", "", `{"state":{"desired":null},"version":3}`, `{"state":{"desired":null},"version":3}`},
		{"text", "reported", `"on"`, ""},
		{"not JSON", "reported", `{"a":1}}`, ""},
		{"nothing", "", ``, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &hub{}
			a := actions.Shadow{Thing: "${t}", Name: "n", Side: tt.side}
			require.NoError(t, a.Check())
			do := on(t, a, actions.Host{Shadows: h})
			err := do.Do(t.Context(), event(tt.payload, "pump", "n"))
			if tt.want == "" {
				require.EqualError(t, err, "the payload is not a JSON object, which a shadow is made of")
				require.ErrorIs(t, err, actions.ErrPermanent)
				require.Empty(t, h.updates)
				return
			}
			require.NoError(t, err)
			require.Equal(t, [][3]string{{"pump", "n", tt.want}}, h.updates)
		})
	}

	h := &hub{err: errors.New("busy")}
	require.ErrorIs(t, on(t, actions.Shadow{Thing: "a"}, actions.Host{Shadows: h}).Do(t.Context(), event("{}", "a", "")), h.err)
	require.Equal(t, "a", actions.Shadow{}.Resource(event("", "a", "")))
	require.Equal(t, "a/n", actions.Shadow{}.Resource(event("", "a", "n")))
	require.True(t, actions.Shadow{Thing: "a"}.Params()[1].Optional)
	require.False(t, actions.Shadow{Thing: "a", Name: "${n}"}.Params()[1].Optional, "a name that is lost is not the classic shadow")
	require.EqualError(t, actions.Shadow{}.Check(), "thing is missing, expected the name of a thing")
	require.EqualError(t, actions.Shadow{Thing: "a", Side: "delta"}.Check(), `side is "delta", expected desired or reported`)
}
