package api_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

// A stage is an API with all rooms behind it, in memory. Those below auth are of a hub,
// which joins them.
type stage struct {
	*api.API
	cfg       api.Config
	gateway   *gateway
	store     registry.Registry
	directory auth.Directory
	shadows   *shadow.Service
	rules     *rules.Service // of which state tells, if there are any
}

func newStage(t testing.TB, mod ...func(*api.Config)) stage {
	t.Helper()
	s := stage{store: registry.NewMemory(), directory: auth.NewMemory(), gateway: &gateway{retained: map[string]*api.Message{}}}
	things, err := registry.New(registry.Config{Store: s.store, Tagged: func(ctx context.Context, resource string) (bool, error) {
		return tagged(ctx, &s.cfg, resource)
	}})
	require.NoError(t, err)
	s.shadows, err = shadow.New(shadow.Config{Rate: -1})
	require.NoError(t, err)
	hub, err := thinghub.New(thinghub.Config{
		Directory: s.directory, Registry: s.store, Logger: slog.New(slog.DiscardHandler),
		CertificateConfig: certs.Config{Keys: certs.P256},
		AuthorizerConfig:  custom.Config{Functions: map[string]custom.Function{"door": custom.Func(door), "broken": custom.Func(broken)}},
		ProvisionConfig:   provision.Config{Hooks: map[string]provision.Hook{"hook": nobody}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = hub.Close() })
	cfg := api.Config{
		Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}, Gateway: s.gateway,
		Registry: things, Shadows: s.shadows, Logger: slog.New(slog.DiscardHandler), Policies: hub.Policies(),
		Identify: func(_ context.Context, principal, pool string) (*auth.Identity, error) {
			if pool != "" {
				return nil, &access.Error{Kind: access.ErrInvalid, Message: "there are no pools here"}
			}
			return &auth.Identity{Principal: principal}, nil
		},
		Certificates: hub.Certificates(), Roles: hub.Roles(), Authorizers: hub.Authorizers(), Provisioning: hub.Provisioning(),
	}
	for _, f := range mod {
		f(&cfg)
	}
	s.cfg, s.API = cfg, api.New(cfg)
	return s
}

// tagged says which resources of other rooms than the registry there are.
func tagged(ctx context.Context, c *api.Config, resource string) (bool, error) {
	kind, name, _ := strings.Cut(resource, "/")
	var err error
	switch {
	case kind == "rule" && c.Rules != nil:
		_, err = c.Rules.Get(ctx, name)
	case kind == "policy":
		_, err = c.Policies.GetPolicy(ctx, name)
	case kind == "cacert":
		_, err = c.Certificates.DescribeCACertificate(ctx, name)
	case kind == "rolealias":
		_, err = c.Roles.DescribeRoleAlias(ctx, name)
	case kind == "authorizer":
		_, err = c.Authorizers.DescribeAuthorizer(ctx, name)
	case kind == "provisioningtemplate":
		_, err = c.Provisioning.DescribeProvisioningTemplate(ctx, name)
	default:
		return false, nil
	}
	for _, none := range []error{rules.ErrNotFound, access.ErrNotFound, access.ErrInvalid, certs.ErrNotFound, certs.ErrInvalid, roles.ErrNotFound, roles.ErrInvalid, custom.ErrNotFound, provision.ErrNotFound, provision.ErrInvalid} {
		if errors.Is(err, none) {
			return false, nil
		}
	}
	return err == nil, err
}

// door is an authorizer's function: who has the token "open" may connect.
func door(_ context.Context, r *custom.Request) (*custom.Response, error) {
	return &custom.Response{
		IsAuthenticated: r.Token == "open", PrincipalID: "visitor", PolicyDocuments: []custom.Document{anyConnect},
		RefreshAfterInSeconds: 600, DisconnectAfterInSeconds: 3600,
	}, nil
}

// broken is one that fails.
func broken(context.Context, *custom.Request) (*custom.Response, error) {
	return nil, errors.New("out of order")
}

// nobody is a pre-provisioning hook that lets nobody in.
func nobody(context.Context, provision.HookRequest) (provision.HookAnswer, error) {
	return provision.HookAnswer{}, nil
}
