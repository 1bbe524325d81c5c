package identitypool

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
)

// GetCredentialsForIdentity returns an access key for an hour, for who proves that an
// identity is theirs. Logins that are not linked to it yet are linked. customRole is the
// ARN of the role they would like, one of those in the claim cognito:roles of a login whose
// mapping is ByToken; empty for the role that the pool chooses.
//
// Errors: ErrInvalid, ErrNotFound, ErrNotAuthorized, ErrConflict, ErrLimit,
// ErrConfiguration, ErrExternal, ErrConcurrent.
func (s *Service) GetCredentialsForIdentity(ctx context.Context, id string, logins Logins, customRole string) (roles.Credentials, error) {
	return audit.Do(ctx, s.room, "GetCredentialsForIdentity", func(ctx context.Context, _ *audit.Note) (roles.Credentials, error) {
		return s.credentials(ctx, id, logins, customRole)
	})
}

func (s *Service) credentials(ctx context.Context, id string, logins Logins, customRole string) (roles.Credentials, error) {
	if customRole != "" {
		if err := s.checkRole("customRoleArn", customRole); err != nil {
			return roles.Credentials{}, err
		}
	}
	c, err := s.admit(ctx, id, logins)
	if err != nil {
		return roles.Credentials{}, err
	}
	pool, signedIn := &c.pool.Value, len(c.logins) > 0
	role := pool.Roles.Roles[Unauthenticated]
	if !signedIn && customRole != "" {
		return roles.Credentials{}, fault(ErrNotAuthorized, "CustomRoleArn is not for guests.")
	}
	if signedIn {
		if role, err = pool.Roles.choose(&pool.Pool, c.logins, customRole); err != nil {
			return roles.Credentials{}, err
		}
	}
	if role == "" {
		return roles.Credentials{}, fault(ErrConfiguration, "Invalid identity pool configuration. Check assigned IAM roles for this pool.")
	}
	amr := c.amr()
	facts := &policy.Facts{HTTP: true, Cognito: &policy.Cognito{IdentityID: id, PoolID: pool.Pool.ID, Authenticated: signedIn, AMR: amr}, Now: s.cfg.Now}
	_, err = s.cfg.Roles.MayAssume(ctx, role, roles.AssumeRoleWithWebIdentity, facts, cognito)
	if errors.Is(err, roles.ErrNotTrusted) || errors.Is(err, roles.ErrInvalid) {
		return roles.Credentials{}, &Error{Kind: ErrConfiguration, Message: "Invalid identity pool configuration. Check assigned IAM roles for this pool.", Cause: err}
	}
	if err != nil {
		return roles.Credentials{}, fmt.Errorf("identitypool: role %s: %w", role, err)
	}
	made, err := s.cfg.Roles.Issue(ctx, roles.Grant{
		Role: role, Identity: id, Authenticated: signedIn, Attributes: roles.PoolAttributes(id, pool.Pool.ID, amr), Duration: credentialLife,
	})
	if err != nil {
		return roles.Credentials{}, fmt.Errorf("identitypool: credentials for %s: %w", id, err)
	}
	return made, nil
}

// Keys returns keys that are those of k, but for credentials of identities that were
// disabled or deleted, or whose pool was: these are not found. Put it around the keys of
// package roles.
func (s *Service) Keys(k sigv4.Keys) sigv4.Keys { return &keys{s, k} }

type keys struct {
	s     *Service
	inner sigv4.Keys
}

// Lookup implements sigv4.Keys.
func (k *keys) Lookup(ctx context.Context, id, token string) (sigv4.Key, error) {
	key, err := k.inner.Lookup(ctx, id, token)
	if err != nil || key.Identity == nil || key.Identity.Kind != auth.Authenticated && key.Identity.Kind != auth.Guest {
		return key, err
	}
	who := key.Identity.Principal
	mark := k.s.marks.Of(who)
	e, err := k.s.identities.Get(ctx, who)
	if err == nil { // that there is the pool is enough, so it is not read any further
		_, err = k.s.cfg.Directory.Get(ctx, k.s.pools.Key(e.Value.Pool))
	}
	if errors.Is(err, auth.ErrNotFound) || err == nil && e.Value.Disabled {
		return sigv4.Key{}, fmt.Errorf("%w: the identity %s is disabled or deleted", auth.ErrNotFound, who)
	}
	if err != nil {
		return sigv4.Key{}, fmt.Errorf("identitypool: read identity %s: %w", who, err)
	}
	with := *key.Identity
	check := with.Check
	with.Check = func() error {
		if k.s.marks.Of(who) != mark {
			return fmt.Errorf("%w: the identity %s was changed meanwhile", auth.ErrBadCredentials, who)
		}
		if check != nil {
			return check()
		}
		return nil
	}
	key.Identity = &with
	return key, nil
}

// Immediate reports that Lookup never waits, because neither the keys nor the directory do.
func (k *keys) Immediate() bool {
	i, ok := k.inner.(auth.Immediate)
	d, fine := k.s.cfg.Directory.(auth.Immediate)
	return ok && fine && i.Immediate() && d.Immediate()
}

// changed tells that an identity is not what it was.
func (s *Service) changed(id string) {
	s.marks.Change(id)
	s.cfg.Changed(id)
}

// hasUser reports whether a user of the host's backend is linked.
func (r *identityRecord) hasUser(user string) bool { return slices.Contains(r.Users, user) }
