package api_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/internal/api"
)

// named is an error of a room that the API does not know.
type named string

func (n named) Error() string     { return "room: some text" }
func (n named) Exception() string { return string(n) }

func TestErrors_ByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		kind   string
		text   string
	}{
		{&certs.Error{Kind: certs.ErrState, Message: "m"}, 406, "CertificateStateException", "m"},
		{&certs.Error{Kind: certs.ErrTransferCompleted, Message: "m"}, 410, "TransferAlreadyCompletedException", "m"},
		{&access.Error{Kind: access.ErrConflict, Message: "m"}, 503, "ServiceUnavailableException", "m"},
		{&access.Error{Kind: access.ErrVersionsLimit, Message: "m"}, 409, "VersionsLimitExceededException", "m"},
		{&roles.Error{Kind: roles.ErrNotFound, Message: "m"}, 404, "ResourceNotFoundException", "m"},
		{&provision.Error{Kind: provision.ErrRegistration, Message: "m", Err: &certs.Error{Kind: certs.ErrNotFound, Message: "inner"}}, 400, "ResourceRegistrationFailureException", "m"},
		{&provision.Error{Kind: provision.ErrDenied, Message: "m"}, 401, "UnauthorizedException", "m"},
		{&custom.Error{Kind: custom.ErrInvalidResponse, Message: "m", Cause: auth.ErrUnavailable}, 400, "InvalidResponseException", "m"},
		{fmt.Errorf("while: %w", errors.Join(&roles.Error{Kind: roles.ErrInvalid, Message: "m"}, errors.New("x"))), 400, "InvalidRequestException", "m"},
		{named("DeleteConflictException"), 409, "DeleteConflictException", "room: some text"},
		{named("NoSuchException"), 500, "InternalFailureException", "internal failure"},
		{&certs.Error{Kind: errors.New("odd"), Message: "m"}, 500, "InternalFailureException", "internal failure"},
		{fmt.Errorf("certs: %w", auth.ErrConflict), 503, "ServiceUnavailableException", "others change the same all the time; try again"},
		{fmt.Errorf("custom: %w", auth.ErrUnavailable), 503, "ServiceUnavailableException", "too much is going on; try again"},
		{errors.New("secret"), 500, "InternalFailureException", "internal failure"},
	} {
		status, kind, text := api.FailureOf(c.err)
		require.Equal(t, c.status, status, "%v", c.err)
		require.Equal(t, c.kind, kind)
		require.Equal(t, c.text, text)
	}
}
