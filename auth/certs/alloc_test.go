//go:build !race

package certs_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A certificate that is known costs the identity and nothing else.
func TestAllocsAuthenticate(t *testing.T) {
	s := newService(t)
	_, c := issue(t, s)
	creds := shown(c)
	ctx := t.Context()
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		id, err := s.Authenticate(ctx, creds)
		if err != nil || id.Check() != nil {
			t.Error(err)
		}
	}), 1.0)
}
