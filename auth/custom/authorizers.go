package custom

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/internal/arn"
)

// The states of an authorizer.
const (
	Active   = "ACTIVE"
	Inactive = "INACTIVE"
)

// An Authorizer is what is known of an authorizer.
type Authorizer struct {
	Name, ARN string
	// FunctionARN names the function; see Config.Functions.
	FunctionARN string
	// TokenKeyName is the name of the header or the parameter with the token.
	TokenKeyName string
	// TokenSigningPublicKeys are RSA keys in PEM form, by names that are the host's
	// affair.
	TokenSigningPublicKeys map[string]string
	// Status is Active or Inactive. Clients cannot use an inactive one.
	Status string
	// SigningDisabled says that tokens are not signed. It cannot be changed.
	SigningDisabled bool
	// EnableCachingForHTTP says that answers are kept for HTTP.
	EnableCachingForHTTP bool
	Created, Modified    time.Time
}

// NewAuthorizer is an authorizer to be made.
type NewAuthorizer struct {
	// Name has 1 to 128 letters, digits and _=,@-.
	Name string
	// FunctionARN is an ARN or a name in Config.Functions.
	FunctionARN string
	// TokenKeyName has 1 to 128 letters, digits, _ and -. Unless SigningDisabled it must
	// be set.
	TokenKeyName string
	// TokenSigningPublicKeys are one or two RSA keys of 2048 to 8192 bits in PEM form.
	// Unless SigningDisabled they must be set.
	TokenSigningPublicKeys map[string]string
	// Status is Active, or Inactive which it is by default.
	Status               string
	SigningDisabled      bool
	EnableCachingForHTTP bool
}

// A Change changes an authorizer. What is nil stays.
type Change struct {
	FunctionARN, TokenKeyName *string
	// TokenSigningPublicKeys take the place of all keys.
	TokenSigningPublicKeys map[string]string
	Status                 *string
	EnableCachingForHTTP   *bool
}

type record struct {
	Function     string            `json:"function"`
	TokenKeyName string            `json:"tokenKeyName,omitempty"`
	Keys         map[string]string `json:"keys,omitempty"`
	Active       bool              `json:"active,omitempty"`
	Unsigned     bool              `json:"unsigned,omitempty"`
	Caches       bool              `json:"caches,omitempty"`
	Created      time.Time         `json:"created"`
	Modified     time.Time         `json:"modified"`
}

// An account is what there is once. Whatever makes or deletes authorizers changes it, so
// that the number is right.
type account struct {
	Default string `json:"default,omitempty"`
	Number  int    `json:"number,omitempty"`
}

var (
	authorizerName = regexp.MustCompile(`^[\w=,@-]+$`)
	tokenKeyName   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	publicKeyName  = regexp.MustCompile(`^[a-zA-Z0-9:_-]+$`)
)

const (
	maxName    = 128
	maxKeys    = 2
	maxKeyText = 5120
	maxARN     = 2048
)

func checkText(field, s string, most int, form *regexp.Regexp) error {
	switch {
	case len(s) > most:
		return invalid(field, s, "Member must have length less than or equal to "+strconv.Itoa(most))
	case s == "":
		return invalid(field, s, "Member must have length greater than or equal to 1")
	case !form.MatchString(s):
		return invalid(field, s, "Member must satisfy regular expression pattern: "+form.String())
	}
	return nil
}

// check checks a record as it will be stored.
func (s *Service) check(r *record) error {
	if _, known := s.cfg.Functions[r.Function]; !known {
		if _, err := arn.Parse(r.Function); err != nil || len(r.Function) > maxARN {
			return invalid("authorizerFunctionArn", r.Function, "Member must be the ARN or the name of a function")
		}
	}
	if r.TokenKeyName != "" || !r.Unsigned {
		if err := checkText("tokenKeyName", r.TokenKeyName, maxName, tokenKeyName); err != nil {
			return err
		}
	}
	if n := len(r.Keys); n > maxKeys || (n == 0 && !r.Unsigned) {
		return invalid("tokenSigningPublicKeys", strconv.Itoa(n)+" keys", "Member must have 1 to 2 keys unless signingDisabled is true")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Keys)) {
		if err := checkText("tokenSigningPublicKeys", name, maxName, publicKeyName); err != nil {
			return err
		}
		if _, err := parseKey(r.Keys[name]); err != nil {
			e := invalid("tokenSigningPublicKeys."+name, r.Keys[name], "Member must be an RSA public key of 2048 to 8192 bits in PEM form")
			e.Cause = err
			return e
		}
	}
	return nil
}

func checkStatus(s string) error {
	if s != Active && s != Inactive {
		return invalid("status", s, "Member must satisfy enum value set: [ACTIVE, INACTIVE]")
	}
	return nil
}

// CreateAuthorizer makes an authorizer. The error is of kind ErrInvalid, ErrExists or
// ErrLimitExceeded.
func (s *Service) CreateAuthorizer(ctx context.Context, n NewAuthorizer) (Authorizer, error) {
	if err := checkText("authorizerName", n.Name, maxName, authorizerName); err != nil {
		return Authorizer{}, err
	}
	if n.Status == "" {
		n.Status = Inactive
	}
	if err := checkStatus(n.Status); err != nil {
		return Authorizer{}, err
	}
	now := s.cfg.Now().UTC()
	r := record{
		Function: n.FunctionARN, TokenKeyName: n.TokenKeyName, Keys: maps.Clone(n.TokenSigningPublicKeys),
		Active: n.Status == Active, Unsigned: n.SigningDisabled, Caches: n.EnableCachingForHTTP, Created: now, Modified: now,
	}
	if err := s.check(&r); err != nil {
		return Authorizer{}, err
	}
	err := retry(ctx, func() error {
		e, err := s.authorizers.Find(ctx, n.Name)
		if err != nil {
			return err
		}
		if e.Revision != 0 {
			x := failed(ErrExists, "the authorizer %s already exists", n.Name)
			x.ResourceID, x.ResourceARN = n.Name, s.ARN(n.Name)
			return x
		}
		a, err := s.account.Find(ctx)
		if err != nil {
			return err
		}
		if a.Value.Number >= s.cfg.MaxAuthorizers {
			return failed(ErrLimitExceeded, "there are %d authorizers, expected at most %d", a.Value.Number, s.cfg.MaxAuthorizers)
		}
		a.Value.Number++
		return s.cfg.Directory.Commit(ctx, s.authorizers.Put(r, 0, n.Name), s.account.Put(a.Value, a.Revision))
	})
	if err != nil {
		return Authorizer{}, err
	}
	return s.authorizer(n.Name, r), nil
}

// UpdateAuthorizer changes an authorizer. Connections that it let in notice when their
// policies are refreshed. The error is of kind ErrInvalid or ErrNotFound.
func (s *Service) UpdateAuthorizer(ctx context.Context, name string, c Change) (Authorizer, error) {
	var out record
	err := retry(ctx, func() error {
		e, err := s.get(ctx, name)
		if err != nil {
			return err
		}
		r := e.Value
		if c.FunctionARN != nil {
			r.Function = *c.FunctionARN
		}
		if c.TokenKeyName != nil {
			r.TokenKeyName = *c.TokenKeyName
		}
		if c.TokenSigningPublicKeys != nil {
			r.Keys = maps.Clone(c.TokenSigningPublicKeys)
		}
		if c.EnableCachingForHTTP != nil {
			r.Caches = *c.EnableCachingForHTTP
		}
		if c.Status != nil {
			if err := checkStatus(*c.Status); err != nil {
				return err
			}
			r.Active = *c.Status == Active
		}
		if err := s.check(&r); err != nil {
			return err
		}
		r.Modified = s.cfg.Now().UTC()
		out = r
		return s.cfg.Directory.Commit(ctx, s.authorizers.Put(r, e.Revision, name))
	})
	if err != nil {
		return Authorizer{}, err
	}
	return s.authorizer(name, out), nil
}

// DeleteAuthorizer deletes an authorizer, which must be inactive and not the default.
// The error is of kind ErrNotFound or ErrDeleteConflict.
func (s *Service) DeleteAuthorizer(ctx context.Context, name string) error {
	return retry(ctx, func() error {
		e, err := s.get(ctx, name)
		if err != nil {
			return err
		}
		a, err := s.account.Find(ctx)
		switch {
		case err != nil:
			return err
		case e.Value.Active:
			return failed(ErrDeleteConflict, "the authorizer %s is ACTIVE, expected INACTIVE", name)
		case a.Value.Default == name:
			return failed(ErrDeleteConflict, "the authorizer %s is the default authorizer, expected another one", name)
		}
		a.Value.Number--
		return s.cfg.Directory.Commit(ctx, s.authorizers.Delete(e.Revision, name), s.account.Put(a.Value, a.Revision))
	})
}

// DescribeAuthorizer returns an authorizer. The error is of kind ErrNotFound.
func (s *Service) DescribeAuthorizer(ctx context.Context, name string) (Authorizer, error) {
	e, err := s.get(ctx, name)
	if err != nil {
		return Authorizer{}, err
	}
	return s.authorizer(name, e.Value), nil
}

// get returns the record of an authorizer, or an error of kind ErrNotFound.
func (s *Service) get(ctx context.Context, name string) (records.Entry[record], error) {
	e, err := s.authorizers.Get(ctx, name)
	if errors.Is(err, auth.ErrNotFound) {
		err = failed(ErrNotFound, "the authorizer %s does not exist", shorten(name))
	}
	return e, err
}

// ARN is the resource name of an authorizer.
func (s *Service) ARN(name string) string { return s.cfg.Scope.IoT("authorizer/" + name) }

func (s *Service) authorizer(name string, r record) Authorizer {
	a := Authorizer{
		Name: name, ARN: s.ARN(name), FunctionARN: r.Function, TokenKeyName: r.TokenKeyName, TokenSigningPublicKeys: maps.Clone(r.Keys),
		Status: Inactive, SigningDisabled: r.Unsigned, EnableCachingForHTTP: r.Caches, Created: r.Created, Modified: r.Modified,
	}
	if r.Active {
		a.Status = Active
	}
	return a
}

// retries is how often a change is tried that others come in between of.
const retries = 64

// retry runs a change again while somebody else was faster.
func retry(ctx context.Context, change func() error) error {
	var err error
	for range retries {
		if err = ctx.Err(); err != nil {
			return err
		}
		if err = change(); !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
	return err
}
