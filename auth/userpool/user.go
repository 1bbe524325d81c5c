package userpool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// The statuses of users.
const (
	// Unconfirmed users have signed up.
	Unconfirmed = "UNCONFIRMED"
	// Confirmed users may sign in.
	Confirmed = "CONFIRMED"
	// ForceChangePassword users have a temporary password.
	ForceChangePassword = "FORCE_CHANGE_PASSWORD"
	// ResetRequired users must set a new password with a code.
	ResetRequired = "RESET_REQUIRED"
)

type userRecord struct {
	Name       string            `json:"name"` // as it was given
	Sub        string            `json:"sub"`
	Status     string            `json:"status"`
	Disabled   bool              `json:"disabled,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Created    time.Time         `json:"created"`
	Modified   time.Time         `json:"modified"`

	Hash      string    `json:"hash,omitempty"` // of the password, in the PHC form
	Salt      []byte    `json:"salt,omitempty"` // of the SRP verifier
	Verifier  []byte    `json:"verifier,omitempty"`
	Passwords int64     `json:"passwords"`          // how often the password was set
	Temporary time.Time `json:"temporary,omitzero"` // until when a temporary password is good
	Gen       int64     `json:"gen,omitempty"`      // how often all logins were ended

	Groups map[string]string     `json:"groups,omitempty"` // name: id
	Codes  map[string]codeRecord `json:"codes,omitempty"`  // by purpose
	TOTP   *totpRecord           `json:"totp,omitempty"`
}

// clone copies what can be changed.
func (u userRecord) clone() userRecord {
	u.Attributes, u.Groups, u.Codes = maps.Clone(u.Attributes), maps.Clone(u.Groups), maps.Clone(u.Codes)
	if u.TOTP != nil {
		t := *u.TOTP
		u.TOTP = &t
	}
	return u
}

// A user is a record of a pool.
type user struct {
	userRecord
	key      string
	revision int64
}

var userName = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P}]{1,128}$`)

// fold is what names and aliases are compared by.
func (p *poolRecord) fold(name string) string {
	if p.CaseSensitive {
		return name
	}
	return strings.ToLower(name)
}

// checkName says whether users may be called so.
func (p *poolRecord) checkName(name string) error {
	if !userName.MatchString(name) {
		return invalid("Username", name, "1 to 128 letters, digits and signs without spaces")
	}
	return p.checkForm("Username", name)
}

// checkForm refuses names that others are known by: a sub, an address or a number that is
// another user's, now or once it is verified. Administrators call users by those too.
func (p *poolRecord) checkForm(field, name string) error {
	switch {
	case uuid.MatchString(strings.ToLower(name)):
		return fault(ErrInvalid, "%s cannot be of the form of a sub.", field)
	case slices.Contains(p.AliasAttributes, "email") && email.MatchString(name):
		return fault(ErrInvalid, "%s cannot be of email format, since user pool is configured for email alias.", field)
	case slices.Contains(p.AliasAttributes, "phone_number") && phone.MatchString(name):
		return fault(ErrInvalid, "%s cannot be of phone number format, since user pool is configured for phone number alias.", field)
	}
	return nil
}

// find looks for a user by name, sub or alias. There is none if u is nil.
func (s *Service) find(ctx context.Context, p *poolRecord, name string) (u *user, err error) {
	if !userName.MatchString(name) {
		return nil, nil
	}
	u, err = s.byKey(ctx, p, p.fold(name))
	if u != nil || err != nil {
		return u, err
	}
	for _, attribute := range p.signInBy(name) {
		key, err := s.aliases.Find(ctx, p.id, attribute, p.fold(name))
		if err != nil {
			return nil, fmt.Errorf("userpool: look up a user of %s: %w", p.id, err)
		}
		if key.Revision != 0 {
			return s.byKey(ctx, p, key.Value)
		}
	}
	return nil, nil
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// signInBy is the attributes that a name may be a value of.
func (p *poolRecord) signInBy(name string) (list []string) {
	if uuid.MatchString(name) {
		list = append(list, "sub")
	}
	if p.aliased("email") && strings.Contains(name, "@") {
		list = append(list, "email")
	}
	if p.aliased("phone_number") && strings.HasPrefix(name, "+") {
		list = append(list, "phone_number")
	}
	if p.aliased("preferred_username") {
		list = append(list, "preferred_username")
	}
	return list
}

func (s *Service) byKey(ctx context.Context, p *poolRecord, key string) (*user, error) {
	e, err := s.users.Find(ctx, p.id, key)
	if err != nil {
		return nil, fmt.Errorf("userpool: look up a user of %s: %w", p.id, err)
	}
	if e.Revision == 0 {
		return nil, nil
	}
	s.noteFound(ctx, &e.Value)
	return &user{e.Value, key, e.Revision}, nil
}

// get is find where it is no secret that there is no user.
func (s *Service) get(ctx context.Context, p *poolRecord, name string) (*user, error) {
	if !userName.MatchString(name) {
		return nil, invalid("Username", name, "1 to 128 letters, digits and signs without spaces")
	}
	u, err := s.find(ctx, p, name)
	if err == nil && u == nil {
		err = errNoUser
	}
	return u, err
}

// insert puts a new user into a pool. The error is ErrUserExists or ErrAliasExists if
// somebody has its name or an alias.
func (s *Service) insert(ctx context.Context, p *poolRecord, key string, u *userRecord) (*user, error) {
	list := append(s.indexChanges(p, key, nil, u), s.users.Put(*u, 0, p.id, key))
	err := s.commit(ctx, list...)
	if errors.Is(err, auth.ErrConflict) {
		e, err := s.users.Find(ctx, p.id, key)
		if err != nil {
			return nil, err
		}
		if e.Revision != 0 {
			return nil, fault(ErrUserExists, "User already exists")
		}
		if err := s.taken(ctx, p, key, u); err != nil {
			return nil, err
		}
		return nil, errConcurrent
	}
	if err != nil {
		return nil, fmt.Errorf("userpool: create a user of %s: %w", p.id, err)
	}
	e, err := s.users.Get(ctx, p.id, key)
	return &user{*u, key, e.Revision}, err
}

// change makes a change of a user, again if others were faster; f may be called
// repeatedly, with the user as it is then. Errors of f end it. Another user that has got
// the name meanwhile is not changed: the error is ErrUserNotFound.
func (s *Service) change(ctx context.Context, p *poolRecord, u *user, f func(u *userRecord) error) (*user, error) {
	return s.changeWith(ctx, p, u, func(u *userRecord) ([]auth.Change, error) { return nil, f(u) })
}

// changeWith is change with further changes that are made or not together with it.
func (s *Service) changeWith(ctx context.Context, p *poolRecord, of *user, f func(u *userRecord) ([]auth.Change, error)) (*user, error) {
	key := of.key
	for range tries {
		e, err := s.users.Find(ctx, p.id, key)
		if err != nil {
			return nil, fmt.Errorf("userpool: read a user of %s: %w", p.id, err)
		}
		if e.Revision == 0 || e.Value.Sub != of.Sub {
			return nil, errNoUser
		}
		now := e.Value.clone()
		more, err := f(&now)
		if err != nil {
			return nil, err
		}
		list := append(s.indexChanges(p, key, &e.Value, &now), s.users.Put(now, e.Revision, p.id, key))
		err = s.commit(ctx, append(list, more...)...)
		if err == nil {
			return &user{now, key, 0}, nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return nil, fmt.Errorf("userpool: change a user of %s: %w", p.id, err)
		}
		if err := s.taken(ctx, p, key, &now); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, errConcurrent
}

// feign does the work that a change of a user is, for one that is not there: a look and a
// write. So the time tells nobody which users there are.
func (s *Service) feign(ctx context.Context, p *poolRecord) error {
	_, err := s.nobodies.Find(ctx, p.id)
	if err == nil {
		nobody := userRecord{Sub: p.fakeSub(""), Hash: s.nobody.String(), Verifier: p.fakeVerifier("")}
		err = s.commit(ctx, s.nobodies.Put(nobody, auth.Any, p.id))
	}
	if err != nil {
		return fmt.Errorf("userpool: change a user of %s: %w", p.id, err)
	}
	return nil
}

// ended tells that what tokens of a user rest on is no more.
func (s *Service) ended(p *poolRecord, sub string) {
	if s.cfg.Changed != nil {
		s.cfg.Changed(p.id, sub)
	}
}

// remove deletes a user.
func (s *Service) remove(ctx context.Context, p *poolRecord, u *user) error {
	for range tries {
		e, err := s.users.Find(ctx, p.id, u.key)
		if err != nil {
			return err
		}
		if e.Revision == 0 || e.Value.Sub != u.Sub {
			return nil // somebody else has done it
		}
		list := append(s.indexChanges(p, u.key, &e.Value, nil), s.users.Delete(e.Revision, p.id, u.key))
		for _, id := range e.Value.Groups {
			list = append(list, s.members.Delete(auth.Any, p.id, id, u.key))
		}
		err = s.commit(ctx, list...)
		if err == nil {
			s.ended(p, u.Sub)
			return nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("userpool: delete a user of %s: %w", p.id, err)
		}
	}
	return errConcurrent
}
