package api_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
)

// flaky is a registry whose tags cannot be deleted while it is broken, and whose callers go
// away when their tags are looked at.
type flaky struct {
	registry.Registry
	broken bool
	leave  func()
}

func (f *flaky) Tags() registry.Table[registry.Tags] { return flakyTags{f.Registry.Tags(), f} }

type flakyTags struct {
	registry.Table[registry.Tags]
	f *flaky
}

func (t flakyTags) Get(ctx context.Context, name string) (registry.Tags, error) {
	v, err := t.Table.Get(ctx, name)
	if t.f.leave != nil {
		t.f.leave()
	}
	return v, err
}

func (t flakyTags) Delete(ctx context.Context, name string, was int64) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case t.f.broken:
		return errors.New("the disk is full")
	default:
		return t.Table.Delete(ctx, name, was)
	}
}

// TestUntag: tags go with what they hang on, with a second try if the first one failed
// there, and though whoever asked has gone away.
func TestUntag(t *testing.T) {
	t.Parallel()
	store := &flaky{Registry: registry.NewMemory()}
	things, err := registry.New(registry.Config{Store: store, Tagged: func(context.Context, string) (bool, error) { return true, nil }})
	require.NoError(t, err)
	stage := newStage(t, func(c *api.Config) {
		c.Registry = things
		var err error
		c.Rules, err = rules.New(rules.Config{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
	})
	h := stage.ControlPlane()
	tags := []map[string]any{{"Key": "a", "Value": "1"}}
	const scope = "arn:aws:iot:local:000000000000:"
	for path, create := range map[string]struct {
		at, arn, body string
		header        []string
		none          int // the status when there is none
	}{
		"/policies/p":               {"", scope + "policy/p", body(t, map[string]any{"policyDocument": anyConnect, "tags": tags}), nil, 404},
		"/provisioning-templates/p": {"/provisioning-templates", templateARN + "p", body(t, map[string]any{"templateName": "p", "templateBody": fleetTemplate, "tags": tags}), nil, 404},
		"/role-aliases/p":           {"", scope + "rolealias/p", body(t, map[string]any{"roleArn": roleARN, "tags": tags}), nil, 404},
		"/authorizer/p":             {"", scope + "authorizer/p", body(t, map[string]any{"authorizerFunctionArn": "door", "signingDisabled": true, "status": "INACTIVE", "tags": tags}), nil, 404},
		"/rules/p":                  {"", scope + "rule/p", `{"sql":"SELECT * FROM 'a'","actions":[]}`, []string{"x-amz-tagging", "a=1"}, 401},
	} {
		put := func() {
			t.Helper()
			at := cmp.Or(create.at, path)
			a := ask(t, h, "POST", at, create.body, create.header...)
			require.Equal(t, 200, a.status, a.text)
			_, err := store.Tags().Get(t.Context(), create.arn)
			require.NoError(t, err)
		}
		gone := func() {
			t.Helper()
			_, err := store.Tags().Get(t.Context(), create.arn)
			require.ErrorIs(t, err, registry.ErrNotFound)
		}
		put()
		store.broken = true
		require.Equal(t, 500, ask(t, h, "DELETE", path, "").status)
		require.Equal(t, 500, ask(t, h, "DELETE", path, "").status)
		require.Equal(t, create.none, ask(t, h, "GET", path, "").status)
		store.broken = false
		require.Equal(t, create.none, ask(t, h, "DELETE", path, "").status, "it was deleted before")
		gone()

		put()
		ctx, cancel := context.WithCancel(t.Context())
		store.leave = cancel
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodDelete, "http://hub.test"+path, http.NoBody))
		store.leave = nil
		gone()
	}
}
