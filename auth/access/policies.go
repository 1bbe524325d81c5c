package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/policy"
)

// A Policy is a policy without its documents.
type Policy struct {
	Name, ARN string
	// DefaultVersion is the one that is in effect.
	DefaultVersion string
	// Document is that of the default version.
	Document          string
	Created, Modified time.Time
	// Generation changes with every change.
	Generation string
}

// A Version is a version of a policy.
type Version struct {
	// ID is "1", "2", ...: ascending, never used again.
	ID       string
	Document string
	Default  bool
	Created  time.Time
}

// record is how a policy is kept.
type record struct {
	Versions          []storedVersion
	Default           int
	Last              int // the highest number given out
	Created, Modified time.Time
}

type storedVersion struct {
	N        int
	Document string
	Created  time.Time
}

func (r *record) find(n int) int {
	return slices.IndexFunc(r.Versions, func(v storedVersion) bool { return v.N == n })
}

func (r *record) document() string { return r.Versions[r.find(r.Default)].Document }

func (s *Service) policy(name string, r *record, revision int64) Policy {
	return Policy{
		Name: name, ARN: s.PolicyARN(name), DefaultVersion: strconv.Itoa(r.Default), Document: r.document(),
		Created: r.Created, Modified: r.Modified, Generation: strconv.FormatInt(revision, 10),
	}
}

func (r *record) version(i int) Version {
	v := r.Versions[i]
	return Version{ID: strconv.Itoa(v.N), Document: v.Document, Default: v.N == r.Default, Created: v.Created}
}

// PolicyARN returns the resource name of a policy, whether there is one or not.
func (s *Service) PolicyARN(name string) string { return s.cfg.Scope.IoT("policy/" + name) }

func checkName(name string) error {
	if name == "" || len(name) > 128 || slices.ContainsFunc([]byte(name), func(c byte) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !slices.Contains([]byte("_+=,.@-"), c)
	}) {
		return invalid("policyName", name, `Member must satisfy regular expression pattern: [\w+=,.@-]+ and have a length of 1 to 128`)
	}
	return nil
}

func (s *Service) checkDocument(document string) error {
	if n := policy.Size([]byte(document)); over(n, s.limits.DocumentSize) {
		return fault(ErrMalformed, "Policy document has %d characters without white space, expected at most %d", n, s.limits.DocumentSize)
	}
	if _, err := policy.Parse([]byte(document)); err != nil {
		return &Error{Kind: ErrMalformed, Message: "Policy document is malformed: " + err.Error(), cause: err}
	}
	return nil
}

// read returns a policy that must be there.
func (s *Service) read(ctx context.Context, name string) (r record, revision int64, err error) {
	if err := checkName(name); err != nil {
		return r, 0, err
	}
	e, err := s.policies.Get(ctx, name)
	if errors.Is(err, auth.ErrNotFound) {
		return r, 0, fault(ErrNotFound, "Policy %s cannot be found.", name)
	}
	if err != nil {
		return r, 0, fmt.Errorf("access: read policy %s: %w", name, err)
	}
	return e.Value, e.Revision, nil
}

// CreatePolicy makes a policy whose first version, "1", is the default one. Traps in it are
// logged, and no error; see [Policy.Warnings].
//
// Errors: ErrInvalid (the name), ErrMalformed, ErrExists.
func (s *Service) CreatePolicy(ctx context.Context, name, document string) (Policy, error) {
	if err := checkName(name); err != nil {
		return Policy{}, err
	}
	if err := s.checkDocument(document); err != nil {
		return Policy{}, err
	}
	now := s.cfg.Now().UTC()
	r := record{Versions: []storedVersion{{1, document, now}}, Default: 1, Last: 1, Created: now, Modified: now}
	err := s.dir.Commit(ctx, s.policies.Put(r, 0, name))
	if errors.Is(err, auth.ErrConflict) {
		return Policy{}, &Error{Kind: ErrExists, Message: "Policy " + name + " already exists", ResourceID: name, ResourceARN: s.PolicyARN(name)}
	}
	if err != nil {
		return Policy{}, fmt.Errorf("access: create policy %s: %w", name, err)
	}
	s.policyChanged(ctx, name)
	s.warn(name, "1", document)
	return s.GetPolicy(ctx, name)
}

// GetPolicy returns a policy. Errors: ErrInvalid, ErrNotFound.
func (s *Service) GetPolicy(ctx context.Context, name string) (Policy, error) {
	r, revision, err := s.read(ctx, name)
	if err != nil {
		return Policy{}, err
	}
	return s.policy(name, &r, revision), nil
}

// ListPolicies returns policies in the order of their names.
func (s *Service) ListPolicies(ctx context.Context, p Page) (all []Policy, next string, err error) {
	return take(s.policies.List(ctx, nil, p.after()), p, func(e entry[record]) (Policy, bool) {
		return s.policy(e.ID[0], &e.Value, e.Revision), true
	})
}

// change reads a policy, has f change it, and stores it, again if somebody else was
// faster. If f sets no error and the policy has no version left it is deleted.
func (s *Service) change(ctx context.Context, name string, f func(r *record) error) (r record, err error) {
	for range tries {
		var revision int64
		if r, revision, err = s.read(ctx, name); err != nil {
			return r, err
		}
		if err := f(&r); err != nil {
			return r, err
		}
		change := s.policies.Delete(revision, name)
		if len(r.Versions) > 0 {
			r.Modified = s.cfg.Now().UTC()
			change = s.policies.Put(r, revision, name)
		}
		switch err = s.dir.Commit(ctx, change); {
		case err == nil:
			s.policyChanged(ctx, name)
			return r, nil
		case !errors.Is(err, auth.ErrConflict):
			return r, fmt.Errorf("access: change policy %s: %w", name, err)
		}
	}
	return r, fault(ErrConflict, "Policy %s is being changed by others", name)
}

// tries is how often a change is tried that others get in the way of.
const tries = 20

// DeletePolicy deletes a policy that is attached to nothing and has but its default
// version. Errors: ErrInvalid, ErrNotFound, ErrDeleteConflict.
func (s *Service) DeletePolicy(ctx context.Context, name string) error {
	_, err := s.change(ctx, name, func(r *record) error {
		if len(r.Versions) > 1 {
			return fault(ErrDeleteConflict, "Cannot delete the policy because it has one or more policy versions attached to it (name=%s)", name)
		}
		for _, err := range s.targets.List(ctx, []string{name}, nil) {
			if err != nil {
				return fmt.Errorf("access: delete policy %s: %w", name, err)
			}
			return fault(ErrDeleteConflict, "The policy cannot be deleted as the policy is attached to one or more principals (name=%s)", name)
		}
		r.Versions = nil
		return nil
	})
	if c := s.coverage.Load(); c != nil && err == nil {
		c.Forget(name)
	}
	return err
}

// CreatePolicyVersion adds a version, which takes effect if it is made the default one.
// Traps in it are logged, and no error; see [Version.Warnings].
//
// Errors: ErrInvalid, ErrNotFound, ErrMalformed, ErrVersionsLimit.
func (s *Service) CreatePolicyVersion(ctx context.Context, name, document string, setAsDefault bool) (Version, error) {
	if err := checkName(name); err != nil {
		return Version{}, err
	}
	if err := s.checkDocument(document); err != nil {
		return Version{}, err
	}
	r, err := s.change(ctx, name, func(r *record) error {
		if over(len(r.Versions)+1, s.limits.Versions) {
			return fault(ErrVersionsLimit, "The policy %s already has the maximum number of versions (%d)", name, s.limits.Versions)
		}
		r.Last++
		r.Versions = append(r.Versions, storedVersion{r.Last, document, s.cfg.Now().UTC()})
		if setAsDefault {
			r.Default = r.Last
		}
		return nil
	})
	if err != nil {
		return Version{}, err
	}
	v := r.version(len(r.Versions) - 1)
	s.warn(name, v.ID, document)
	return v, nil
}

// GetPolicyVersion returns a version. Errors: ErrInvalid, ErrNotFound.
func (s *Service) GetPolicyVersion(ctx context.Context, name, id string) (Version, error) {
	r, _, err := s.read(ctx, name)
	if err != nil {
		return Version{}, err
	}
	i, err := r.at(name, id)
	if err != nil {
		return Version{}, err
	}
	return r.version(i), nil
}

func (r *record) at(name, id string) (int, error) {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || strconv.Itoa(n) != id {
		return 0, invalid("policyVersionId", id, "Member must satisfy regular expression pattern: [0-9]+")
	}
	i := r.find(n)
	if i < 0 {
		return 0, fault(ErrNotFound, "Version %s of policy %s cannot be found.", id, name)
	}
	return i, nil
}

// ListPolicyVersions returns all versions, the newest first. Errors: ErrInvalid,
// ErrNotFound.
func (s *Service) ListPolicyVersions(ctx context.Context, name string) ([]Version, error) {
	r, _, err := s.read(ctx, name)
	if err != nil {
		return nil, err
	}
	all := make([]Version, 0, len(r.Versions))
	for i := len(r.Versions) - 1; i >= 0; i-- {
		all = append(all, r.version(i))
	}
	return all, nil
}

// SetDefaultPolicyVersion puts a version into effect. Errors: ErrInvalid, ErrNotFound.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, name, id string) error {
	_, err := s.change(ctx, name, func(r *record) error {
		i, err := r.at(name, id)
		if err == nil {
			r.Default = r.Versions[i].N
		}
		return err
	})
	return err
}

// DeletePolicyVersion deletes a version, but not the default one. Errors: ErrInvalid,
// ErrNotFound, ErrDeleteConflict.
func (s *Service) DeletePolicyVersion(ctx context.Context, name, id string) error {
	_, err := s.change(ctx, name, func(r *record) error {
		i, err := r.at(name, id)
		if err != nil {
			return err
		}
		if r.Versions[i].N == r.Default {
			return fault(ErrDeleteConflict, "Cannot delete the default version of a policy (name=%s, version=%s)", name, id)
		}
		r.Versions = slices.Delete(r.Versions, i, i+1)
		return nil
	})
	return err
}
