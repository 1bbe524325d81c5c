package roles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config configures a [Service]. The zero value works, in memory.
type Config struct {
	// Directory keeps roles, role aliases and the keys that seal tokens. Default
	// auth.NewMemory(). Who can read it can make credentials for any role.
	Directory auth.Directory
	// Scope is what resource names begin with.
	Scope Scope
	// Logger is told of traps in trust policies. Default slog.Default().
	Logger *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// A Service keeps roles and role aliases, and makes and knows temporary credentials. All methods
// are safe for concurrent use.
type Service struct {
	cfg     Config
	aliases records.Table[aliasRecord]
	roles   records.Table[roleRecord]
	keys    *keyring

	mu     sync.Mutex
	trusts map[string]trusted // by the name of the role
}

// New returns a service. An error names the field of Config that is to blame.
func New(cfg Config) (*Service, error) {
	if err := cfg.Scope.Check(); err != nil {
		return nil, fault(ErrInvalid, "Config.Scope.%v", err)
	}
	cfg.Scope = cfg.Scope.WithDefaults()
	if cfg.Directory == nil {
		cfg.Directory = auth.NewMemory()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Service{
		cfg: cfg, aliases: records.NewTable[aliasRecord](cfg.Directory, "role-alias"), roles: records.NewTable[roleRecord](cfg.Directory, "role"),
		keys: newKeyring(&cfg), trusts: map[string]trusted{},
	}, nil
}

// An Alias is a name by which devices ask for a role.
type Alias struct {
	Name, ARN string
	// Role is the ARN of a role.
	Role string
	// Duration is how long credentials live: 15 minutes to 12 hours.
	Duration          time.Duration
	Created, Modified time.Time
}

type aliasRecord struct {
	Role              string
	Seconds           int
	Created, Modified time.Time
}

// The bounds of how long credentials live.
const (
	ShortestDuration = 15 * time.Minute
	LongestDuration  = 12 * time.Hour
	usualDuration    = time.Hour
)

// AliasARN returns the resource name of a role alias, whether there is one or not.
func (s *Service) AliasARN(name string) string { return s.cfg.Scope.IoT("rolealias/" + name) }

// RoleARN returns the resource name of a role.
func (s *Service) RoleARN(name string) string {
	return "arn:" + s.cfg.Scope.Partition + ":iam::" + s.cfg.Scope.Account + ":role/" + name
}

func (s *Service) alias(name string, r aliasRecord) Alias {
	return Alias{Name: name, ARN: s.AliasARN(name), Role: r.Role, Duration: time.Duration(r.Seconds) * time.Second, Created: r.Created, Modified: r.Modified}
}

func checkAlias(name string) error {
	ok := name != "" && len(name) <= 128
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '=' || c == ',' || c == '@' || c == '-')
	}
	if !ok {
		return invalid("roleAlias", name, `Member must satisfy regular expression pattern: [\w=,@-]+ and have a length of 1 to 128`)
	}
	return nil
}

// maxRole is how long the ARN of a role may be.
const maxRole = 2048

func (s *Service) checkRole(role string) error {
	n, err := arn.Parse(role)
	if kind, name := n.Split(); err != nil || len(role) > maxRole || n.Service != "iam" || n.Account != s.cfg.Scope.Account || kind != "role" || name == "" {
		return invalid("roleArn", role, "Member must be the ARN of a role, "+s.RoleARN("NAME")+", and have a length of at most "+strconv.Itoa(maxRole))
	}
	return nil
}

func checkDuration(d time.Duration) error {
	if d < ShortestDuration || d > LongestDuration || d%time.Second != 0 {
		return invalid("credentialDurationSeconds", fmt.Sprintf("%.0f", d.Seconds()), "Member must be from 900 to 43200")
	}
	return nil
}

// CreateRoleAlias makes an alias for a role, which need not have policies yet. A duration
// of 0 is an hour. Errors: ErrInvalid, ErrExists.
func (s *Service) CreateRoleAlias(ctx context.Context, name, role string, d time.Duration) (Alias, error) {
	if d == 0 {
		d = usualDuration
	}
	if err := errors.Join(checkAlias(name), s.checkRole(role), checkDuration(d)); err != nil {
		return Alias{}, firstOf(err)
	}
	now := s.cfg.Now().UTC()
	r := aliasRecord{role, int(d / time.Second), now, now}
	switch err := s.cfg.Directory.Commit(ctx, s.aliases.Put(r, 0, name)); {
	case err == nil:
		return s.alias(name, r), nil
	case errors.Is(err, auth.ErrConflict):
		return Alias{}, &Error{Kind: ErrExists, Message: "Role alias " + name + " already exists", ResourceID: name, ResourceARN: s.AliasARN(name)}
	default:
		return Alias{}, fmt.Errorf("roles: create role alias %s: %w", name, err)
	}
}

// firstOf takes the first of joined errors: one is enough for people.
func firstOf(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()[0]
	}
	return err
}

func (s *Service) read(ctx context.Context, name string) (records.Entry[aliasRecord], error) {
	if err := checkAlias(name); err != nil {
		return records.Entry[aliasRecord]{}, err
	}
	e, err := s.aliases.Get(ctx, name)
	if errors.Is(err, auth.ErrNotFound) {
		return e, fault(ErrNotFound, "Role alias %s cannot be found.", name)
	}
	if err != nil {
		return e, fmt.Errorf("roles: read role alias %s: %w", name, err)
	}
	return e, nil
}

// DescribeRoleAlias returns an alias. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeRoleAlias(ctx context.Context, name string) (Alias, error) {
	e, err := s.read(ctx, name)
	if err != nil {
		return Alias{}, err
	}
	return s.alias(name, e.Value), nil
}

// UpdateRoleAlias changes the role of an alias, its duration, or both; "" and 0 leave
// them. Credentials that are out stay what they are. Errors: ErrInvalid, ErrNotFound.
func (s *Service) UpdateRoleAlias(ctx context.Context, name, role string, d time.Duration) (Alias, error) {
	for {
		e, err := s.read(ctx, name)
		if err != nil {
			return Alias{}, err
		}
		r := e.Value
		if role != "" {
			if err := s.checkRole(role); err != nil {
				return Alias{}, err
			}
			r.Role = role
		}
		if d != 0 {
			if err := checkDuration(d); err != nil {
				return Alias{}, err
			}
			r.Seconds = int(d / time.Second)
		}
		r.Modified = s.cfg.Now().UTC()
		switch err := s.cfg.Directory.Commit(ctx, s.aliases.Put(r, e.Revision, name)); {
		case err == nil:
			return s.alias(name, r), nil
		case !errors.Is(err, auth.ErrConflict):
			return Alias{}, fmt.Errorf("roles: update role alias %s: %w", name, err)
		case ctx.Err() != nil:
			return Alias{}, ctx.Err()
		}
	}
}

// DeleteRoleAlias deletes an alias. Credentials that are out stay what they are. Errors:
// ErrInvalid, ErrNotFound.
func (s *Service) DeleteRoleAlias(ctx context.Context, name string) error {
	if _, err := s.read(ctx, name); err != nil {
		return err
	}
	if err := s.cfg.Directory.Commit(ctx, s.aliases.Delete(auth.Any, name)); err != nil {
		return fmt.Errorf("roles: delete role alias %s: %w", name, err)
	}
	return nil
}
