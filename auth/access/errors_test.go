package access_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/access"
)

// Every kind of error has a name that AWS knows.
func TestExceptions(t *testing.T) {
	t.Parallel()
	for kind, want := range map[error]string{
		access.ErrNotFound: "ResourceNotFoundException", access.ErrExists: "ResourceAlreadyExistsException", access.ErrInvalid: "InvalidRequestException",
		access.ErrMalformed: "MalformedPolicyException", access.ErrDeleteConflict: "DeleteConflictException", access.ErrVersionsLimit: "VersionsLimitExceededException",
		access.ErrLimit: "LimitExceededException", access.ErrConflict: "ServiceUnavailableException",
	} {
		require.Equal(t, want, (&access.Error{Kind: kind}).Exception())
	}
	_, err := newStage(t).CreatePolicy(t.Context(), "p", "{}")
	e, ok := errors.AsType[*access.Error](err)
	require.True(t, ok)
	require.Equal(t, "MalformedPolicyException", e.Exception(), "also where a cause lies behind it")
}
