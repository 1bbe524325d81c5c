package users

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/password"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// A Service knows users. Its methods may be called concurrently.
type Service struct {
	cfg        Config
	table      records.Table[record]
	hasher     *password.Hasher
	guard      *password.Guard
	remembered *remembered
	marks      *records.Marks
	nobody     password.Hash // of no password, for names that nobody has
}

var _ auth.Authenticator = (*Service)(nil)

type record struct {
	Hash       string            `json:"hash"`
	Disabled   bool              `json:"disabled,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Created    time.Time         `json:"created"`
	Changed    time.Time         `json:"changed"`
}

// New returns a Service. The error names the field of cfg that is wrong.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, table: records.NewTable[record](cfg.Directory, "user"), marks: records.NewMarks(),
		hasher: password.NewHasher(cfg.Parallel, cfg.Waiting), guard: password.NewGuard(cfg.PerUser, cfg.PerAddress),
		remembered: newRemembered(cfg.Remember, cfg.RememberMost),
		nobody:     password.Nobody(cfg.Hash),
	}, nil
}

// ARN returns what policies and things are attached to for a user.
func (s *Service) ARN(name string) string { return s.cfg.Scope.IoT("user/" + name) }

// Authenticate returns the user of a name and a password. The error is
// auth.ErrUnrecognised if there is no name, or one that asks for a custom authorizer;
// otherwise it wraps auth.ErrBadCredentials, auth.ErrBanned if the user is
// disabled or there were too many failures, or auth.ErrUnavailable if too many log in
// at the same time.
func (s *Service) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	name, secret, ok := presented(c)
	if !ok {
		return nil, auth.ErrUnrecognised
	}
	if !validName(name) || len(secret) == 0 || len(secret) > maxPassword || bytes.IndexByte(secret, 0) >= 0 {
		return nil, errBadLogin // nobody has such a name or password
	}
	a, err := s.guard.Begin(name, password.AddressOf(c.RemoteAddr), s.cfg.Now())
	if err != nil {
		return nil, err
	}
	result := password.Unknown
	defer func() { a.End(result, s.cfg.Now()) }()
	mark := s.marks.Of(name)
	r, matched, err := s.login(ctx, name, secret)
	if err != nil {
		return nil, err
	}
	if !matched {
		result = password.Bad
		return nil, errBadLogin
	}
	result = password.Good
	if r.Disabled {
		return nil, fmt.Errorf("%w: the user %q is disabled", auth.ErrBanned, name)
	}
	return s.identity(name, r, mark), nil
}

var errBadLogin = fmt.Errorf("%w: no user has this name and this password", auth.ErrBadCredentials)

// login compares a password with the one of the user, if there is one.
func (s *Service) login(ctx context.Context, name string, secret []byte) (r record, matched bool, err error) {
	e, err := s.table.Find(ctx, name)
	if err != nil {
		return record{}, false, fmt.Errorf("users: look up %q: %w", name, err)
	}
	there := e.Revision != 0
	if there && s.remembered.knows(name, secret, e.Revision, s.cfg.Now()) {
		return e.Value, true, nil
	}
	h := s.nobody
	if there {
		if h, err = password.Parse(e.Value.Hash); err != nil {
			return record{}, false, fmt.Errorf("users: the password hash of %q cannot be read: %w", name, err)
		}
	}
	var fresh string
	err = s.hasher.Do(ctx, false, func() {
		matched = h.Matches(secret) && there
		if matched && !h.Fits(s.cfg.Hash) {
			fresh = password.New(secret, s.cfg.Hash).String()
		}
	})
	if err != nil || !matched {
		return record{}, false, err
	}
	if fresh == "" {
		s.remembered.put(name, secret, e.Revision, s.cfg.Now())
		return e.Value, true, nil
	}
	e.Value.Hash = fresh
	if err := s.cfg.Directory.Commit(ctx, s.table.Put(e.Value, e.Revision, name)); err != nil {
		// Somebody changed the user meanwhile, or the next login will do it.
		s.cfg.Logger.Debug("users: a password was not hashed anew", "user", name, "err", err)
	}
	return e.Value, true, nil
}

func (s *Service) identity(name string, r record, mark uint64) *auth.Identity {
	attributes := maps.Clone(r.Attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["aws:username"] = name
	return &auth.Identity{
		Principal: name, Kind: auth.User, ARN: s.ARN(name), Attributes: attributes,
		Check: func() error {
			if s.marks.Of(name) != mark {
				return fmt.Errorf("%w: the user %q was changed meanwhile", auth.ErrBadCredentials, name)
			}
			return nil
		},
	}
}
