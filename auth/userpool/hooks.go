package userpool

import (
	"context"
	"errors"

	"github.com/thinghub/thinghub/auth/internal/audit"
)

// Hooks are called at points of the life of users, as the triggers of AWS are. Those
// that are nil are not. They may wait; ctx is the caller's. An error refuses what was
// about to be done: the caller gets ErrRefused with its text, so it must not have
// secrets. Hooks must be safe for concurrent use.
type Hooks struct {
	// PreSignUp is asked about a user that signs up (PreSignUp_SignUp) or that an
	// administrator makes (PreSignUp_AdminCreateUser).
	PreSignUp func(ctx context.Context, e *SignUpEvent) error
	// PostConfirmation is told of a user that was confirmed (PostConfirmation_ConfirmSignUp)
	// or has a new password after it forgot the old one
	// (PostConfirmation_ConfirmForgotPassword). It has happened: an error is told the
	// caller and changes nothing.
	PostConfirmation func(ctx context.Context, e Event) error
	// PreAuthentication is asked before a password is looked at, also for names that
	// nobody has: Event.NotFound.
	PreAuthentication func(ctx context.Context, e Event) error
	// PostAuthentication is told of a sign-in before it gets tokens; an error refuses
	// them.
	PostAuthentication func(ctx context.Context, e Event) error
	// PreToken may change what tokens say.
	PreToken func(ctx context.Context, e *TokenEvent) error
	// UserMigration is asked for a user that signs in with a password, or forgot it, and
	// is not there (UserMigration_Authentication, UserMigration_ForgotPassword). What it
	// returns is made a user. nil without an error: there is none.
	UserMigration func(ctx context.Context, e MigrationEvent) (*MigratedUser, error)
	// CustomMessage may change the words of a message.
	CustomMessage func(ctx context.Context, m *Message) error
	// DefineAuthChallenge, CreateAuthChallenge and VerifyAuthChallenge make the flow
	// CUSTOM_AUTH. All of them must be set for it.
	DefineAuthChallenge func(ctx context.Context, e *DefineEvent) error
	CreateAuthChallenge func(ctx context.Context, e *CreateEvent) error
	VerifyAuthChallenge func(ctx context.Context, e *VerifyEvent) error
}

// An Event is what hooks are told of.
type Event struct {
	// Trigger is such as "PreSignUp_SignUp".
	Trigger string
	// Region and Pool are the pool's, Client the id of the client, "" if there is none.
	Region, Pool, Client string
	// Username is the user's name, Attributes what is known of it, with sub and
	// cognito:user_status. They must not be modified.
	Username   string
	Attributes map[string]string
	// NotFound says that there is no such user.
	NotFound bool
	// Metadata is the ClientMetadata of the request, ValidationData what came with a
	// sign-up.
	Metadata, ValidationData map[string]string
}

// A SignUpEvent is a user about to be made.
type SignUpEvent struct {
	Event
	// AutoConfirm confirms it at once; AutoVerifyEmail and AutoVerifyPhone say that it
	// is known to have its address and number.
	AutoConfirm, AutoVerifyEmail, AutoVerifyPhone bool
}

// A TokenEvent is tokens about to be made. What is set replaces what they would have.
type TokenEvent struct {
	Event
	// Groups, Roles and PreferredRole are those of the user; they may be replaced.
	Groups, Roles []string
	PreferredRole string
	// IDClaims and AccessClaims are added, or take the place of claims. Those that say
	// who and for how long cannot be changed: nonce and at_hash of sign-ins at Pages, sub, iss, aud, client_id, token_use, exp,
	// iat, auth_time, jti, origin_jti, event_id, cognito:username, username. Values are
	// what encoding/json writes.
	IDClaims, AccessClaims map[string]any
	// SuppressID and SuppressAccess are claims that are left out, but for those.
	SuppressID, SuppressAccess []string
	// AddScopes and SuppressScopes change the scope of the access token.
	AddScopes, SuppressScopes []string
}

// A MigrationEvent is a user that is not there. Password is a secret; it is empty where
// it was forgotten.
type MigrationEvent struct {
	Event
	Password string
}

// A MigratedUser is one that came from elsewhere.
type MigratedUser struct {
	// Attributes are as those of AdminCreateUser; email_verified and
	// phone_number_verified say what is verified.
	Attributes map[string]string
	// Status is Confirmed, the default, or ResetRequired.
	Status string
}

// A ChallengeResult is one step of CUSTOM_AUTH that is over.
type ChallengeResult struct {
	Name     string // such as "CUSTOM_CHALLENGE", "SRP_A", "PASSWORD_VERIFIER"
	Passed   bool
	Metadata string
}

// A DefineEvent asks what comes next. One of Challenge, Issue and Fail is to be set.
type DefineEvent struct {
	Event
	Session []ChallengeResult
	// Challenge is the name of the next challenge: "CUSTOM_CHALLENGE".
	Challenge string
	// Issue gives tokens, Fail refuses.
	Issue, Fail bool
}

// A CreateEvent asks for a challenge.
type CreateEvent struct {
	Event
	Challenge string
	Session   []ChallengeResult
	// Public goes to the client, Private to VerifyAuthChallenge, Metadata to the next
	// DefineAuthChallenge.
	Public, Private map[string]string
	Metadata        string
}

// A VerifyEvent asks whether an answer is right.
type VerifyEvent struct {
	Event
	Private map[string]string
	Answer  string
	// Correct is to be set if it is.
	Correct bool
}

func refusedBy(hook string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return fault(ErrRefused, "%s failed with error %v.", hook, err)
}

// event is an Event about a user, nil if there is none.
func (s *Service) event(trigger string, p *poolRecord, client, name string, u *userRecord, metadata map[string]string) Event {
	e := Event{Trigger: trigger, Region: s.cfg.Scope.Region, Pool: p.id, Client: client, Username: name, NotFound: u == nil, Metadata: metadata, Attributes: map[string]string{}}
	if u != nil {
		for k, v := range u.Attributes {
			e.Attributes[k] = v
		}
		e.Username, e.Attributes["sub"], e.Attributes["cognito:user_status"] = u.Name, u.Sub, u.Status
	}
	return e
}

// ask calls a hook if there is one. What it does with the service is not part of the
// operation that it is called in.
func ask[E any](ctx context.Context, name string, hook func(context.Context, E) error, e E) error {
	if hook == nil {
		return nil
	}
	if err := hook(audit.Apart(ctx), e); err != nil {
		return refusedBy(name, err)
	}
	return nil
}
