package roles

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/auth/policy"
)

// A Role is a role that can be taken, by those whom its trust policy names. What it may do
// are the policies attached to its ARN.
type Role struct {
	// Name has 1 to 64 letters, digits and _+=,.@-.
	Name string
	// ARN and ID name it, too; see RoleID.
	ARN, ID string
	// TrustPolicy is the text of the policy that says who may take the role and on what
	// conditions; see [policy.ParseTrust].
	TrustPolicy string
	// Description is for people.
	Description string
	// MaxDuration bounds how long credentials of the role live that somebody takes with
	// AssumeRole and its like: 1 to 12 hours.
	MaxDuration       time.Duration
	Created, Modified time.Time
}

// Warnings are traps in the trust policy, such as tokens that are accepted whoever they
// were made for.
func (r *Role) Warnings() []policy.Warning {
	t, err := policy.ParseTrust([]byte(r.TrustPolicy))
	if err != nil {
		return nil
	}
	return t.Lint()
}

// A NewRole is a role to be made.
type NewRole struct {
	Name, TrustPolicy, Description string
	// MaxDuration is an hour if it is 0.
	MaxDuration time.Duration
}

type roleRecord struct {
	Trust       string    `json:"trust"`
	Description string    `json:"description,omitempty"`
	Seconds     int       `json:"seconds"`
	Created     time.Time `json:"created"`
	Modified    time.Time `json:"modified"`
}

// The bounds of what is stored with a role.
const (
	maxTrust       = 4096 // characters without white space
	maxDescription = 1000 // bytes
	shortestMax    = time.Hour
)

// RoleID is the unique id of a role, which its sessions' user ids begin with. It comes from
// the ARN.
func RoleID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return "AROA" + base32Upper.EncodeToString(sum[:])[:17]
}

func (s *Service) role(name string, r *roleRecord) Role {
	arn := s.RoleARN(name)
	return Role{
		Name: name, ARN: arn, ID: RoleID(arn), TrustPolicy: r.Trust, Description: r.Description,
		MaxDuration: time.Duration(r.Seconds) * time.Second, Created: r.Created, Modified: r.Modified,
	}
}

func checkRoleName(name string) error {
	ok := name != "" && len(name) <= 64
	for _, c := range []byte(name) {
		ok = ok && isNameByte(c)
	}
	if !ok {
		return invalid("roleName", name, `Member must satisfy regular expression pattern: [\w+=,.@-]+ and have a length of 1 to 64`)
	}
	return nil
}

func checkMax(d time.Duration) error {
	if d < shortestMax || d > LongestDuration || d%time.Second != 0 {
		return invalid("maxSessionDuration", fmt.Sprintf("%.0f", d.Seconds()), "Member must be from 3600 to 43200")
	}
	return nil
}

func checkTrust(text string) error {
	if n := policy.Size([]byte(text)); n > maxTrust {
		return invalid("assumeRolePolicyDocument", strconv.Itoa(n)+" characters", "Member must have at most "+strconv.Itoa(maxTrust)+" characters without white space")
	}
	if _, err := policy.ParseTrust([]byte(text)); err != nil {
		return &Error{Kind: ErrMalformed, Message: "assumeRolePolicyDocument: " + strings.TrimPrefix(err.Error(), "policy: ")}
	}
	return nil
}

func checkDescription(text string) error {
	if len(text) > maxDescription {
		return invalid("description", text, "Member must have a length of at most "+strconv.Itoa(maxDescription))
	}
	return nil
}

// CreateRole makes a role. Traps in its trust policy are logged; see Role.Warnings.
// Errors: ErrInvalid, ErrMalformed, ErrExists.
func (s *Service) CreateRole(ctx context.Context, n NewRole) (Role, error) {
	if n.MaxDuration == 0 {
		n.MaxDuration = usualDuration
	}
	if err := errors.Join(checkRoleName(n.Name), checkTrust(n.TrustPolicy), checkDescription(n.Description), checkMax(n.MaxDuration)); err != nil {
		return Role{}, firstOf(err)
	}
	now := s.cfg.Now().UTC()
	r := roleRecord{n.TrustPolicy, n.Description, int(n.MaxDuration / time.Second), now, now}
	switch err := s.cfg.Directory.Commit(ctx, s.roles.Put(r, 0, n.Name)); {
	case err == nil:
		made := s.role(n.Name, &r)
		s.warn(&made)
		return made, nil
	case errors.Is(err, auth.ErrConflict):
		return Role{}, &Error{Kind: ErrExists, Message: "Role " + n.Name + " already exists", ResourceID: n.Name, ResourceARN: s.RoleARN(n.Name)}
	default:
		return Role{}, fmt.Errorf("roles: create role %s: %w", n.Name, err)
	}
}

// warn tells the host about traps.
func (s *Service) warn(r *Role) {
	for _, w := range r.Warnings() {
		s.cfg.Logger.Warn("roles: the trust policy of a role has a trap", "role", r.Name, "where", w.Path, "what", w.Text, "code", w.Code)
	}
}

func (s *Service) readRole(ctx context.Context, name string) (records.Entry[roleRecord], error) {
	if err := checkRoleName(name); err != nil {
		return records.Entry[roleRecord]{}, err
	}
	e, err := s.roles.Get(ctx, name)
	if errors.Is(err, auth.ErrNotFound) {
		return e, fault(ErrNotFound, "Role %s cannot be found.", name)
	}
	if err != nil {
		return e, fmt.Errorf("roles: read role %s: %w", name, err)
	}
	return e, nil
}

// GetRole returns a role. Errors: ErrInvalid, ErrNotFound.
func (s *Service) GetRole(ctx context.Context, name string) (Role, error) {
	e, err := s.readRole(ctx, name)
	if err != nil {
		return Role{}, err
	}
	return s.role(name, &e.Value), nil
}

// A RoleChange changes a role. What is nil stays.
type RoleChange struct {
	TrustPolicy, Description *string
	MaxDuration              *time.Duration
}

// UpdateRole changes a role. Credentials that are out stay what they are. Errors:
// ErrInvalid, ErrMalformed, ErrNotFound.
func (s *Service) UpdateRole(ctx context.Context, name string, c RoleChange) (Role, error) {
	for {
		e, err := s.readRole(ctx, name)
		if err != nil {
			return Role{}, err
		}
		r := e.Value
		var bad error
		if c.TrustPolicy != nil {
			r.Trust, bad = *c.TrustPolicy, checkTrust(*c.TrustPolicy)
		}
		if c.Description != nil {
			r.Description, bad = *c.Description, errors.Join(bad, checkDescription(*c.Description))
		}
		if c.MaxDuration != nil {
			r.Seconds, bad = int(*c.MaxDuration/time.Second), errors.Join(bad, checkMax(*c.MaxDuration))
		}
		if bad != nil {
			return Role{}, firstOf(bad)
		}
		r.Modified = s.cfg.Now().UTC()
		switch err := s.cfg.Directory.Commit(ctx, s.roles.Put(r, e.Revision, name)); {
		case err == nil:
			made := s.role(name, &r)
			if c.TrustPolicy != nil {
				s.warn(&made)
			}
			return made, nil
		case !errors.Is(err, auth.ErrConflict):
			return Role{}, fmt.Errorf("roles: update role %s: %w", name, err)
		case ctx.Err() != nil:
			return Role{}, ctx.Err()
		}
	}
}

// UpdateAssumeRolePolicy gives a role another trust policy. It counts for who takes the
// role from now on. Errors: ErrInvalid, ErrMalformed, ErrNotFound.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, name, trust string) (Role, error) {
	return s.UpdateRole(ctx, name, RoleChange{TrustPolicy: &trust})
}

// DeleteRole deletes a role: nobody takes it any more. Credentials that are out stay what
// they are; they end soon, and at once it is the policies of the role that can be detached.
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) DeleteRole(ctx context.Context, name string) error {
	if _, err := s.readRole(ctx, name); err != nil {
		return err
	}
	if err := s.cfg.Directory.Commit(ctx, s.roles.Delete(auth.Any, name)); err != nil {
		return fmt.Errorf("roles: delete role %s: %w", name, err)
	}
	s.forgetTrust(name)
	return nil
}

// ListRoles returns roles in the order of their names, and the marker of the next page,
// which is empty after the last. Page.Descending is not for roles. Errors: ErrInvalid.
func (s *Service) ListRoles(ctx context.Context, p Page) (all []Role, next string, err error) {
	if p.Size < 0 || p.Size > maxPage {
		return nil, "", invalid("maxItems", strconv.Itoa(p.Size), "Member must be from 1 to "+strconv.Itoa(maxPage))
	}
	if p.Descending {
		return nil, "", invalid("descending", "true", "Member must be false")
	}
	if p.Size == 0 {
		p.Size = maxPage
	}
	var after []string
	if p.Marker != "" {
		last, err := base64.RawURLEncoding.Strict().DecodeString(p.Marker)
		if err != nil || checkRoleName(string(last)) != nil || markerOf(string(last)) != p.Marker {
			return nil, "", invalid("marker", p.Marker, "Member must be a marker that this list returned")
		}
		after = []string{string(last)}
	}
	for e, err := range s.roles.List(ctx, nil, after) {
		if err != nil {
			return nil, "", fmt.Errorf("roles: list roles: %w", err)
		}
		if len(all) == p.Size {
			return all, markerOf(all[p.Size-1].Name), nil
		}
		all = append(all, s.role(e.ID[0], &e.Value))
	}
	return all, "", nil
}
