package userpool

import (
	"context"
	"net/http"
	"reflect"

	"github.com/thinghub/thinghub/auth/internal/audit"
)

// An operation is a method that HTTP clients may call.
type operation struct {
	signed bool
	run    func(ctx context.Context, s *Service, r *http.Request, body []byte, signed bool) (any, error)
}

// by makes an operation of a method.
func by[I, O any](f func(s *Service, ctx context.Context, in I) (O, error)) operation {
	return operation{run: func(ctx context.Context, s *Service, r *http.Request, body []byte, signed bool) (any, error) {
		var in I
		if err := decode(body, &in); err != nil {
			return nil, err
		}
		s.room.Of(ctx).User = audit.Clip(textIn(in, "Username"))
		if signed {
			if err := s.authorize(ctx, r, body, textIn(in, "UserPoolID")); err != nil {
				return nil, err
			}
		}
		return f(s, ctx, in)
	}}
}

// signed makes an operation of a method of administrators.
func signed[I, O any](f func(s *Service, ctx context.Context, in I) (O, error)) operation {
	op := by(f)
	op.signed = true
	return op
}

// textIn is a field of an input, "" if it has none of that name. Where that is the pool the
// decision is about all of them, whichever the operation then does not find.
func textIn(in any, field string) string {
	if f := reflect.ValueOf(in).FieldByName(field); f.IsValid() {
		return f.String()
	}
	return ""
}

// operations are by the names of the AWS model.
var operations = map[string]operation{
	"SignUp":                           by((*Service).SignUp),
	"ConfirmSignUp":                    by((*Service).ConfirmSignUp),
	"ResendConfirmationCode":           by((*Service).ResendConfirmationCode),
	"InitiateAuth":                     by((*Service).InitiateAuth),
	"RespondToAuthChallenge":           by((*Service).RespondToAuthChallenge),
	"GetTokensFromRefreshToken":        by((*Service).GetTokensFromRefreshToken),
	"RevokeToken":                      by((*Service).RevokeToken),
	"ForgotPassword":                   by((*Service).ForgotPassword),
	"ConfirmForgotPassword":            by((*Service).ConfirmForgotPassword),
	"AssociateSoftwareToken":           by((*Service).AssociateSoftwareToken),
	"VerifySoftwareToken":              by((*Service).VerifySoftwareToken),
	"SetUserMFAPreference":             by((*Service).SetUserMFAPreference),
	"ChangePassword":                   by((*Service).ChangePassword),
	"GetUser":                          by((*Service).GetUser),
	"UpdateUserAttributes":             by((*Service).UpdateUserAttributes),
	"DeleteUserAttributes":             by((*Service).DeleteUserAttributes),
	"GetUserAttributeVerificationCode": by((*Service).GetUserAttributeVerificationCode),
	"VerifyUserAttribute":              by((*Service).VerifyUserAttribute),
	"DeleteUser":                       by((*Service).DeleteUser),
	"GlobalSignOut":                    by((*Service).GlobalSignOut),

	"CreateUserPool":              signed((*Service).CreateUserPool),
	"DescribeUserPool":            signed((*Service).DescribeUserPool),
	"UpdateUserPool":              signed((*Service).UpdateUserPool),
	"ListUserPools":               signed((*Service).ListUserPools),
	"DeleteUserPool":              signed((*Service).DeleteUserPool),
	"SetUserPoolMfaConfig":        signed((*Service).SetUserPoolMfaConfig),
	"GetUserPoolMfaConfig":        signed((*Service).GetUserPoolMfaConfig),
	"AddCustomAttributes":         signed((*Service).AddCustomAttributes),
	"CreateUserPoolClient":        signed((*Service).CreateUserPoolClient),
	"DescribeUserPoolClient":      signed((*Service).DescribeUserPoolClient),
	"UpdateUserPoolClient":        signed((*Service).UpdateUserPoolClient),
	"DeleteUserPoolClient":        signed((*Service).DeleteUserPoolClient),
	"ListUserPoolClients":         signed((*Service).ListUserPoolClients),
	"CreateGroup":                 signed((*Service).CreateGroup),
	"GetGroup":                    signed((*Service).GetGroup),
	"UpdateGroup":                 signed((*Service).UpdateGroup),
	"DeleteGroup":                 signed((*Service).DeleteGroup),
	"ListGroups":                  signed((*Service).ListGroups),
	"ListUsers":                   signed((*Service).ListUsers),
	"ListUsersInGroup":            signed((*Service).ListUsersInGroup),
	"AdminCreateUser":             signed((*Service).AdminCreateUser),
	"AdminGetUser":                signed((*Service).AdminGetUser),
	"AdminConfirmSignUp":          signed((*Service).AdminConfirmSignUp),
	"AdminSetUserPassword":        signed((*Service).AdminSetUserPassword),
	"AdminDeleteUser":             signed((*Service).AdminDeleteUser),
	"AdminDisableUser":            signed((*Service).AdminDisableUser),
	"AdminEnableUser":             signed((*Service).AdminEnableUser),
	"AdminResetUserPassword":      signed((*Service).AdminResetUserPassword),
	"AdminUpdateUserAttributes":   signed((*Service).AdminUpdateUserAttributes),
	"AdminDeleteUserAttributes":   signed((*Service).AdminDeleteUserAttributes),
	"AdminUserGlobalSignOut":      signed((*Service).AdminUserGlobalSignOut),
	"AdminInitiateAuth":           signed((*Service).AdminInitiateAuth),
	"AdminRespondToAuthChallenge": signed((*Service).AdminRespondToAuthChallenge),
	"AdminSetUserMFAPreference":   signed((*Service).AdminSetUserMFAPreference),
	"AdminAddUserToGroup":         signed((*Service).AdminAddUserToGroup),
	"AdminRemoveUserFromGroup":    signed((*Service).AdminRemoveUserFromGroup),
	"AdminListGroupsForUser":      signed((*Service).AdminListGroupsForUser),
}
