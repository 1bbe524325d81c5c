package auth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
)

// A doorman answers always the same.
type doorman struct {
	id      *auth.Identity
	err     error
	asked   *int
	patient bool
}

func (d doorman) Authenticate(context.Context, *auth.Credentials) (*auth.Identity, error) {
	*d.asked++
	return d.id, d.err
}

func (d doorman) Immediate() bool { return !d.patient }

type methods struct {
	doorman
	method string
}

var errStarted = errors.New("started")

func (m methods) Exchange(_ context.Context, c *auth.Credentials) (auth.Exchange, error) {
	if c.Method != m.method {
		return nil, auth.ErrBadMethod
	}
	return nil, errStarted
}

func TestChain(t *testing.T) {
	t.Parallel()
	alice := &auth.Identity{Principal: "alice"}
	for _, c := range []struct {
		name  string
		chain []error // nil: alice
		want  error
		asked int
	}{
		{"nobody there", nil, auth.ErrUnrecognised, 0},
		{"the first one", []error{nil, auth.ErrBanned}, nil, 1},
		{"not for the first one", []error{auth.ErrUnrecognised, nil}, nil, 2},
		{"wrapped", []error{fmt.Errorf("x: %w", auth.ErrUnrecognised), nil}, nil, 2},
		{"refused by who knows it", []error{auth.ErrUnrecognised, auth.ErrBadCredentials, nil}, auth.ErrBadCredentials, 2},
		{"not authorized is a refusal", []error{auth.ErrNotAuthorized, nil}, auth.ErrNotAuthorized, 1},
		{"nobody can tell", []error{auth.ErrUnavailable, nil}, auth.ErrUnavailable, 1},
		{"for none", []error{auth.ErrUnrecognised, auth.ErrUnrecognised}, auth.ErrNotAuthorized, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			var list []auth.Authenticator
			for _, err := range c.chain {
				d := doorman{err: err, asked: &asked}
				if err == nil {
					d.id = alice
				}
				list = append(list, d)
			}
			id, err := auth.Chain(list...).Authenticate(t.Context(), &auth.Credentials{})
			require.Equal(t, c.asked, asked)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.Same(t, alice, id)
		})
	}
}

func TestChainExchange(t *testing.T) {
	t.Parallel()
	asked := 0
	c := auth.Chain(doorman{asked: &asked}, methods{method: "A"}, methods{method: "B"})
	_, err := c.Exchange(t.Context(), &auth.Credentials{Method: "B"})
	require.ErrorIs(t, err, errStarted)
	_, err = c.Exchange(t.Context(), &auth.Credentials{Method: "C"})
	require.ErrorIs(t, err, auth.ErrBadMethod)
	require.Zero(t, asked, "who knows no methods is not asked")
}

func TestChainImmediate(t *testing.T) {
	t.Parallel()
	immediate := func(list ...auth.Authenticator) bool { return auth.Chain(list...).(auth.Immediate).Immediate() }
	require.True(t, immediate())
	require.True(t, immediate(doorman{}, auth.Nobody{}))
	require.False(t, immediate(doorman{}, doorman{patient: true}))
}
