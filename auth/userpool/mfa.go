package userpool

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/thinghub/thinghub/auth/internal/password"
)

// setupDone is the step of a sign-in whose software token is verified.
const setupDone = "MFA_SETUP verified"

var errNoToken = fault(ErrNoSoftwareToken, "The user has no software token to be verified.")

// AssociateSoftwareTokenInput is an access token, or the session of MFA_SETUP.
type AssociateSoftwareTokenInput struct{ AccessToken, Session string }

// AssociateSoftwareTokenOutput is the secret of a software token, in base32 for
// authenticator apps: TOTP with SHA-1, 6 digits, 30 seconds.
type AssociateSoftwareTokenOutput struct {
	SecretCode string
	Session    string `json:",omitempty"`
}

// AssociateSoftwareToken makes a secret for a software token. The one that the user has
// is good until VerifySoftwareToken. Errors: ErrInvalid, ErrNotAuthorized,
// ErrNoSoftwareToken if the pool has none.
func (s *Service) AssociateSoftwareToken(ctx context.Context, in AssociateSoftwareTokenInput) (AssociateSoftwareTokenOutput, error) {
	var out AssociateSoftwareTokenOutput
	secret := newTOTPSecret()
	if in.Session != "" && in.AccessToken == "" {
		p, c, st, _, err := s.settingUp(ctx, in.Session)
		if err != nil {
			return out, err
		}
		st.Secret = secret
		if out.Session, err = s.sealed(ctx, p, c, st); err != nil {
			return out, err
		}
		out.SecretCode = totpBase32.EncodeToString(secret)
		return out, nil
	}
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return out, err
	}
	if c.pool.Settings.MfaConfiguration == "OFF" {
		return out, fault(ErrNoSoftwareToken, "Software token MFA has not been enabled by the userPool")
	}
	_, err = s.change(ctx, c.pool, c.user, func(u *userRecord) error {
		if u.TOTP == nil {
			u.TOTP = &totpRecord{}
		}
		u.TOTP.Pending = secret
		return nil
	})
	out.SecretCode = totpBase32.EncodeToString(secret)
	return out, err
}

// settingUp reads the session of MFA_SETUP, which names its client.
func (s *Service) settingUp(ctx context.Context, session string) (*poolRecord, *clientRecord, state, *user, error) {
	_, client, _, _, ok := opened(sealSession, session)
	if !ok {
		return nil, nil, state{}, nil, errForged
	}
	p, c, err := s.clientPool(ctx, client)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalid) {
		err = errForged
	}
	if err != nil {
		return nil, nil, state{}, nil, err
	}
	st, u, err := s.resumed(ctx, p, c.id, "MFA_SETUP", session)
	return p, c, st, u, err
}

// VerifySoftwareTokenInput is a code, with an access token or the session of
// AssociateSoftwareToken.
type VerifySoftwareTokenInput struct{ AccessToken, Session, UserCode, FriendlyDeviceName string }

// VerifySoftwareTokenOutput says "SUCCESS". With the session RespondToAuthChallenge goes
// on.
type VerifySoftwareTokenOutput struct {
	Status  string
	Session string `json:",omitempty"`
}

// VerifySoftwareToken makes a secret that a user shows to have its software token. It is
// enabled at once where the pool requires one, or by SetUserMFAPreference. Errors:
// ErrInvalid, ErrNotAuthorized, ErrEnableSoftwareToken if the code is wrong,
// ErrNoSoftwareToken if there is no secret to be verified.
func (s *Service) VerifySoftwareToken(ctx context.Context, in VerifySoftwareTokenInput) (VerifySoftwareTokenOutput, error) {
	if len(in.FriendlyDeviceName) > 131072 || !utf8.ValidString(in.FriendlyDeviceName) {
		return VerifySoftwareTokenOutput{}, invalid("FriendlyDeviceName", in.FriendlyDeviceName, "text of at most 131072 bytes")
	}
	name := shorten(in.FriendlyDeviceName) // it comes back in challenges
	verified := func(u *userRecord, secret []byte, enable bool) {
		u.TOTP.Secret, u.TOTP.Pending, u.TOTP.Name = secret, nil, name
		u.TOTP.Enabled = u.TOTP.Enabled || enable
		u.Modified = s.cfg.Now().UTC()
	}
	wrong := func(err error) error {
		if errors.Is(err, ErrCodeMismatch) {
			return fault(ErrEnableSoftwareToken, "Code mismatch")
		}
		return err
	}
	if in.Session != "" && in.AccessToken == "" {
		p, c, st, u, err := s.settingUp(ctx, in.Session)
		if err != nil {
			return VerifySoftwareTokenOutput{}, err
		}
		if st.Secret == nil {
			return VerifySoftwareTokenOutput{}, errNoToken
		}
		_, err = s.useTOTP(ctx, p, u, func(now *userRecord) ([]byte, error) {
			if now.Gen != st.Gen || now.Passwords != st.Passwords || len(now.mfaSecret()) > 0 {
				return nil, errChanged // it has a token by now
			}
			return st.Secret, nil
		}, in.UserCode, func(u *userRecord) { verified(u, st.Secret, true) })
		if err != nil {
			return VerifySoftwareTokenOutput{}, wrong(err)
		}
		st.Step, st.Secret = setupDone, nil
		session, err := s.sealed(ctx, p, c, st)
		return VerifySoftwareTokenOutput{"SUCCESS", session}, err
	}
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return VerifySoftwareTokenOutput{}, err
	}
	var secret []byte
	_, err = s.useTOTP(ctx, c.pool, c.user, func(u *userRecord) ([]byte, error) {
		if u.TOTP == nil || len(u.TOTP.Pending) == 0 {
			return nil, errNoToken
		}
		secret = u.TOTP.Pending
		return secret, nil
	}, in.UserCode, func(u *userRecord) { verified(u, secret, c.pool.Settings.MfaConfiguration == "ON") })
	if err != nil {
		return VerifySoftwareTokenOutput{}, wrong(err)
	}
	return VerifySoftwareTokenOutput{Status: "SUCCESS"}, nil
}

// mfaSecret is the secret of a token that is enabled.
func (u *userRecord) mfaSecret() []byte {
	if u.TOTP == nil || !u.TOTP.Enabled {
		return nil
	}
	return u.TOTP.Secret
}

// useTOTP takes a code of the secret that of returns, once, and makes a change along
// with that. Wrong codes count as wrong passwords do.
func (s *Service) useTOTP(ctx context.Context, p *poolRecord, u *user, of func(u *userRecord) ([]byte, error), code string, change func(u *userRecord)) (done *user, err error) {
	err = s.attempt(ctx, p, u.key, ofToken, errCodeTries, func(end *password.Outcome) error {
		done, err = s.change(ctx, p, u, func(now *userRecord) error {
			secret, err := of(now)
			if err != nil {
				return err
			}
			if now.TOTP == nil {
				now.TOTP = &totpRecord{}
			}
			after := now.TOTP.Step
			if !equal(secret, now.TOTP.Secret) {
				after = 0 // a new secret has new codes
			}
			step, ok := totpStep(secret, code, s.cfg.Now(), after)
			if !ok {
				return errBadCode.because("the code of the software token is wrong or was used before")
			}
			now.TOTP.Step = step
			if change != nil {
				change(now)
			}
			return nil
		})
		*end = outcomeOfCode(err)
		return err
	})
	return done, err
}

// MFASettings is how a user wants to use a factor.
type MFASettings struct{ Enabled, PreferredMfa bool }

// SetUserMFAPreferenceInput says how the user of an access token wants to use its
// software token.
type SetUserMFAPreferenceInput struct {
	AccessToken              string
	SoftwareTokenMfaSettings *MFASettings
	SMSMfaSettings           *MFASettings
}

// SetUserMFAPreference switches the software token of a user on or off. Errors:
// ErrInvalid, ErrNotAuthorized.
func (s *Service) SetUserMFAPreference(ctx context.Context, in SetUserMFAPreferenceInput) (Empty, error) {
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, s.setMFA(ctx, c.pool, c.user, in.SoftwareTokenMfaSettings, in.SMSMfaSettings)
}

// AdminSetUserMFAPreferenceInput is SetUserMFAPreferenceInput for administrators.
type AdminSetUserMFAPreferenceInput struct {
	UserPoolID               string `json:"UserPoolId"`
	Username                 string
	SoftwareTokenMfaSettings *MFASettings
	SMSMfaSettings           *MFASettings
}

// AdminSetUserMFAPreference switches the software token of a user on or off. Errors:
// ErrInvalid, ErrNotFound, ErrUserNotFound.
func (s *Service) AdminSetUserMFAPreference(ctx context.Context, in AdminSetUserMFAPreferenceInput) (Empty, error) {
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, s.setMFA(ctx, p, u, in.SoftwareTokenMfaSettings, in.SMSMfaSettings)
}

func (s *Service) setMFA(ctx context.Context, p *poolRecord, u *user, token, sms *MFASettings) error {
	if sms != nil && sms.Enabled {
		return fault(ErrInvalid, "SMSMfaSettings.Enabled is true, expected false: software tokens are the only factor")
	}
	if token == nil {
		return nil
	}
	if token.PreferredMfa && !token.Enabled {
		return fault(ErrInvalid, "SoftwareTokenMfaSettings.PreferredMfa is true, expected false for a factor that is not enabled")
	}
	_, err := s.change(ctx, p, u, func(u *userRecord) error {
		if token.Enabled && (u.TOTP == nil || len(u.TOTP.Secret) == 0) {
			return fault(ErrInvalid, "User has not verified software token mfa")
		}
		if u.TOTP != nil {
			u.TOTP.Enabled, u.TOTP.Preferred = token.Enabled, token.PreferredMfa
		}
		u.Modified = s.cfg.Now().UTC()
		return nil
	})
	return err
}
