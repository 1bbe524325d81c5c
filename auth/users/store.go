package users

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/password"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// Failures of the operations on users that are the caller's doing, besides
// auth.ErrNotFound for a user that does not exist.
var (
	// ErrInvalid: a field that cannot be. The error names it, what stood there unless it
	// is secret, and what was expected.
	ErrInvalid = errors.New("users: invalid")
	// ErrExists: there is a user of that name.
	ErrExists = errors.New("users: the user exists")
)

// A User is what is told of a user.
type User struct {
	// Name is the principal.
	Name string
	// Disabled users are refused, however good their password.
	Disabled bool
	// Attributes become those of the identity, where policies can ask about them. The
	// attribute aws:username is the name always.
	Attributes map[string]string
	// Created is when the user was made, Changed when it was last changed by one of the
	// operations.
	Created, Changed time.Time
}

// A NewUser is a user to be made.
type NewUser struct {
	// Name is as the documentation of the package says.
	Name string
	// Password is the password, or PasswordHash the hash of one in the PHC form of
	// Argon2id. One of them must be set.
	Password, PasswordHash string
	Disabled               bool
	// Attributes are up to 50, with names of 1 to 128 letters, digits and _.,@/:#=- and
	// values of UTF-8 up to 1024 bytes.
	Attributes map[string]string
}

// A Change changes a user. What is nil stays.
type Change struct {
	Disabled *bool
	// Attributes take the place of all of them.
	Attributes map[string]string
}

// Create makes a user. The error wraps ErrInvalid, ErrExists, or auth.ErrUnavailable if
// ctx ended before there was time to hash the password.
func (s *Service) Create(ctx context.Context, n NewUser) (User, error) {
	if err := checkName(n.Name); err != nil {
		return User{}, err
	}
	if err := checkAttributes(n.Attributes); err != nil {
		return User{}, err
	}
	if (n.Password == "") == (n.PasswordHash == "") {
		return User{}, fmt.Errorf("%w: of Password and PasswordHash one must be set", ErrInvalid)
	}
	text, err := s.hashFor(ctx, n)
	if err != nil {
		return User{}, err
	}
	now := s.cfg.Now().UTC()
	r := record{Hash: text, Disabled: n.Disabled, Attributes: maps.Clone(n.Attributes), Created: now, Changed: now}
	err = s.cfg.Directory.Commit(ctx, s.table.Put(r, 0, n.Name))
	if errors.Is(err, auth.ErrConflict) {
		return User{}, fmt.Errorf("%w: %q", ErrExists, n.Name)
	}
	if err != nil {
		return User{}, err
	}
	return userOf(n.Name, r), nil
}

// hashFor returns the hash that is given, or of the password that is given.
func (s *Service) hashFor(ctx context.Context, n NewUser) (text string, err error) {
	if n.PasswordHash != "" {
		h, err := password.Parse(n.PasswordHash)
		if err != nil {
			return "", fmt.Errorf("%w: PasswordHash: %w", ErrInvalid, err)
		}
		return h.String(), nil
	}
	if len(n.Password) < s.cfg.MinPassword || len(n.Password) > maxPassword {
		return "", fmt.Errorf("%w: Password has %d bytes, expected %d to %d", ErrInvalid, len(n.Password), s.cfg.MinPassword, maxPassword)
	}
	if strings.IndexByte(n.Password, 0) >= 0 {
		return "", fmt.Errorf("%w: Password has a zero byte, expected none", ErrInvalid)
	}
	err = s.hasher.Do(ctx, true, func() { text = password.New([]byte(n.Password), s.cfg.Hash).String() })
	return text, err
}

// SetPassword gives a user another password. Its connections are to end; see
// Config.Changed. The error wraps ErrInvalid, auth.ErrNotFound, or auth.ErrUnavailable
// if ctx ended before there was time to hash the password.
func (s *Service) SetPassword(ctx context.Context, name, secret string) error {
	return s.setPassword(ctx, name, NewUser{Password: secret})
}

// SetPasswordHash is SetPassword with the hash of a password.
func (s *Service) SetPasswordHash(ctx context.Context, name, hash string) error {
	if hash == "" {
		return fmt.Errorf("%w: PasswordHash: %w", ErrInvalid, password.ErrPHC)
	}
	return s.setPassword(ctx, name, NewUser{PasswordHash: hash})
}

func (s *Service) setPassword(ctx context.Context, name string, n NewUser) error {
	if _, err := s.table.Get(ctx, name); err != nil {
		return err // before the work is done
	}
	text, err := s.hashFor(ctx, n)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, name, func(r *record) (ends bool) {
		r.Hash = text
		return true
	})
	return err
}

// Update changes a user. A user that is disabled thereby has its connections ended; see
// Config.Changed. The error wraps ErrInvalid or auth.ErrNotFound.
func (s *Service) Update(ctx context.Context, name string, c Change) (User, error) {
	if err := checkAttributes(c.Attributes); err != nil {
		return User{}, err
	}
	return s.change(ctx, name, func(r *record) (ends bool) {
		if c.Attributes != nil {
			r.Attributes = maps.Clone(c.Attributes)
		}
		if c.Disabled != nil {
			ends = *c.Disabled && !r.Disabled
			r.Disabled = *c.Disabled
		}
		return ends
	})
}

// Delete deletes a user, whose connections are to end; see Config.Changed. The error
// wraps auth.ErrNotFound.
func (s *Service) Delete(ctx context.Context, name string) error {
	if _, err := s.table.Get(ctx, name); err != nil {
		return err
	}
	if err := s.cfg.Directory.Commit(ctx, s.table.Delete(auth.Any, name)); err != nil {
		return err
	}
	s.ended(name)
	return nil
}

// Get returns a user. The error wraps auth.ErrNotFound.
func (s *Service) Get(ctx context.Context, name string) (User, error) {
	e, err := s.table.Get(ctx, name)
	if err != nil {
		return User{}, err
	}
	return userOf(name, e.Value), nil
}

// List yields the users in the order of their names, those after the name given; "" is
// before all. So the next page of a list begins after the last name of the page before.
// An error is yielded once and ends it.
func (s *Service) List(ctx context.Context, after string) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		var from []string
		if after != "" {
			from = []string{after}
		}
		for e, err := range s.table.List(ctx, nil, from) {
			var u User
			if err == nil {
				u = userOf(e.ID[0], e.Value)
			}
			if !yield(u, err) || err != nil {
				return
			}
		}
	}
}

// change makes a change of a user, again if others were faster.
func (s *Service) change(ctx context.Context, name string, f func(r *record) (ends bool)) (User, error) {
	var e records.Entry[record]
	var ends bool
	err := auth.ErrConflict
	for tries := 0; errors.Is(err, auth.ErrConflict) && tries < 64; tries++ {
		if e, err = s.table.Get(ctx, name); err != nil {
			return User{}, err
		}
		ends = f(&e.Value)
		e.Value.Changed = s.cfg.Now().UTC()
		err = s.cfg.Directory.Commit(ctx, s.table.Put(e.Value, e.Revision, name))
	}
	if err != nil {
		return User{}, err
	}
	if ends {
		s.ended(name)
	}
	return userOf(name, e.Value), nil
}

// ended tells that what connections of a user rest on is no more.
func (s *Service) ended(name string) {
	s.marks.Change(name)
	s.remembered.forget(name)
	if s.cfg.Changed != nil {
		s.cfg.Changed(name)
	}
}

func userOf(name string, r record) User {
	return User{Name: name, Disabled: r.Disabled, Attributes: maps.Clone(r.Attributes), Created: r.Created, Changed: r.Changed}
}

func checkName(name string) error {
	if !validName(name) {
		return fmt.Errorf("%w: Name is %q, expected 1 to 128 letters, digits and _+=,.@- that are no certificate's id", ErrInvalid, shorten(name))
	}
	return nil
}

var attributeName = regexp.MustCompile(`^[\w.,@/:#=-]{1,128}$`)

func checkAttributes(m map[string]string) error {
	if len(m) > maxAttributes {
		return fmt.Errorf("%w: Attributes has %d, expected at most %d", ErrInvalid, len(m), maxAttributes)
	}
	for name, value := range m {
		if !attributeName.MatchString(name) {
			return fmt.Errorf("%w: Attributes has %q, expected names of 1 to 128 letters, digits and _.,@/:#=-", ErrInvalid, shorten(name))
		}
		if len(value) > maxAttribute || !utf8.ValidString(value) {
			return fmt.Errorf("%w: Attributes[%q] is %q, expected UTF-8 of at most %d bytes", ErrInvalid, name, shorten(value), maxAttribute)
		}
	}
	return nil
}
