package shadow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

func TestDocumentAsOneObject(t *testing.T) {
	t.Parallel()
	s, err := shadow.New(shadow.Config{})
	require.NoError(t, err)
	k := shadow.Key{Thing: "lamp"}
	for _, c := range []struct{ update, want string }{
		{`{"state":{}}`, `^\{"metadata":\{\},"version":1\}$`},
		{`{"state":{"desired":{"a":1}}}`, `^\{"desired":\{"a":1\},"delta":\{"a":1\},"metadata":\{"desired":\{"a":\{"timestamp":\d+\}\}\},"version":2\}$`},
		{`{"state":{"reported":{"a":1}}}`, `^\{"desired":\{"a":1\},"reported":\{"a":1\},"metadata":\{"desired":\{.*\},"reported":\{.*\}\},"version":3\}$`},
	} {
		_, err := s.Update(t.Context(), k, []byte(c.update), shadow.Requester{})
		require.NoError(t, err)
		v, err := s.Get(t.Context(), k, shadow.Requester{})
		require.NoError(t, err)
		got, err := v.Document.AppendJSON(nil, v.Delta)
		require.NoError(t, err)
		require.Regexp(t, c.want, string(got))
	}
	_, err = shadow.Document{Version: 1, Desired: []byte("{")}.AppendJSON(nil, nil)
	require.ErrorContains(t, err, "desired is not a JSON object")
}
