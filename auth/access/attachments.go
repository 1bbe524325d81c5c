package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/arn"
)

// A link is the record that a policy is attached to a target. It is there twice, by
// target and by policy.
type link struct{}

// checkTarget checks the form of a target, and that it is one of this hub's.
func (s *Service) checkTarget(target string) error {
	if target == "" || len(target) > 2048 || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return invalid("target", target, "Member must be the ARN of a certificate, of a thing group or of a user, or an identity id")
	}
	if !strings.HasPrefix(target, "arn:") {
		return nil // an identity of a pool, or a principal of the host's
	}
	n, err := arn.Parse(target)
	if err != nil {
		return invalid("target", target, "Member must be a resource name, arn:partition:service:region:account:resource")
	}
	if n.Service == "iot" && n.Scope != s.cfg.Scope || n.Account != s.cfg.Scope.Account {
		return fault(ErrNotFound, "Resource %s cannot be found.", target)
	}
	return nil
}

func (s *Service) isGroup(target string) bool { return strings.HasPrefix(target, s.groupPrefix) }

// AttachPolicy attaches a policy to a target: the ARN of a certificate, of a thing group
// or of a user, the id of an identity of a pool, or the principal of an authenticator of
// the host's. It is in effect when AttachPolicy returns, on open connections too. That it
// is attached already is no error.
//
// Errors: ErrInvalid, ErrNotFound (the policy or the target), ErrLimit.
func (s *Service) AttachPolicy(ctx context.Context, name, target string) error {
	if err := s.checkTarget(target); err != nil {
		return err
	}
	for range tries {
		r, revision, err := s.read(ctx, name)
		if err != nil {
			return err
		}
		if s.cfg.Target != nil && strings.HasPrefix(target, "arn:") {
			if there, err := s.cfg.Target(ctx, target); err != nil {
				return fmt.Errorf("access: attach policy %s to %s: %w", name, target, err)
			} else if !there {
				return fault(ErrNotFound, "Resource %s cannot be found.", target)
			}
		}
		names, err := s.attached(ctx, target)
		if err != nil {
			return err
		}
		if slices.Contains(names, name) {
			return nil
		}
		limit := s.limits.PoliciesPerPrincipal
		if s.isGroup(target) {
			limit = s.limits.PoliciesPerGroup
		}
		if over(len(names)+1, limit) {
			return fault(ErrLimit, "The maximum number of policies attached to %s is %d", target, limit)
		}
		// The policy is written too, so that nobody deletes it meanwhile.
		err = s.dir.Commit(ctx, s.policies.Put(r, revision, name), s.links.Put(link{}, auth.Any, target, name), s.targets.Put(link{}, auth.Any, name, target))
		if err == nil {
			s.targetChanged(ctx, target)
			return nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("access: attach policy %s to %s: %w", name, target, err)
		}
	}
	return fault(ErrConflict, "Policy %s is being changed by others", name)
}

// DetachPolicy takes a policy off a target, at once. That it is not attached is no error.
// Errors: ErrInvalid, ErrNotFound (the policy).
func (s *Service) DetachPolicy(ctx context.Context, name, target string) error {
	if err := s.checkTarget(target); err != nil {
		return err
	}
	if _, _, err := s.read(ctx, name); err != nil {
		return err
	}
	return s.detach(ctx, target, name)
}

func (s *Service) detach(ctx context.Context, target string, names ...string) error {
	var changes []auth.Change
	for _, name := range names {
		changes = append(changes, s.links.Delete(auth.Any, target, name), s.targets.Delete(auth.Any, name, target))
	}
	if err := s.dir.Commit(ctx, changes...); err != nil {
		return fmt.Errorf("access: detach policies of %s: %w", target, err)
	}
	s.targetChanged(ctx, target)
	return nil
}

// DetachAll takes all policies off a target that goes.
func (s *Service) DetachAll(ctx context.Context, target string) error {
	names, err := s.attached(ctx, target)
	if err != nil || len(names) == 0 {
		return err
	}
	return s.detach(ctx, target, names...)
}

// CopyPolicies attaches all policies of a target to another one as well.
func (s *Service) CopyPolicies(ctx context.Context, from, to string) error {
	names, err := s.attached(ctx, from)
	for i := 0; err == nil && i < len(names); i++ {
		err = s.AttachPolicy(ctx, names[i], to)
	}
	return err
}

// attached returns the names of the policies of a target, sorted.
func (s *Service) attached(ctx context.Context, target string) (names []string, err error) {
	for e, err := range s.links.List(ctx, []string{target}, nil) {
		if err != nil {
			return nil, fmt.Errorf("access: policies of %s: %w", target, err)
		}
		names = append(names, e.ID[1])
	}
	return names, nil
}

// HasPolicies reports whether a policy is attached to a target.
func (s *Service) HasPolicies(ctx context.Context, target string) (bool, error) {
	for _, err := range s.links.List(ctx, []string{target}, nil) {
		if err != nil {
			return false, fmt.Errorf("access: policies of %s: %w", target, err)
		}
		return true, nil
	}
	return false, nil
}

// ListAttachedPolicies returns the policies of a target in the order of their names, with
// those of the groups above if above, which lists the ARNs of these, is not nil.
//
// Errors: ErrInvalid.
func (s *Service) ListAttachedPolicies(ctx context.Context, target string, above func(ctx context.Context, target string) ([]string, error), p Page) (all []Policy, next string, err error) {
	if err := s.checkTarget(target); err != nil {
		return nil, "", err
	}
	size, err := p.check()
	if err != nil {
		return nil, "", err
	}
	targets := []string{target}
	if above != nil {
		more, err := above(ctx, target)
		if err != nil {
			return nil, "", err
		}
		targets = append(targets, more...)
	}
	var names []string
	for _, t := range targets {
		of, err := s.attached(ctx, t)
		if err != nil {
			return nil, "", err
		}
		names = append(names, of...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if after := p.after(); len(after) == 1 {
		i, found := slices.BinarySearch(names, after[0])
		if found {
			i++
		}
		names = names[i:]
	}
	for i, name := range names {
		if i == size {
			return all, token(names[i-1]), nil
		}
		switch v, err := s.GetPolicy(ctx, name); {
		case err == nil:
			all = append(all, v)
		case !errors.Is(err, ErrNotFound):
			return nil, "", err
		}
	}
	return all, "", nil
}

// ListTargetsForPolicy returns what a policy is attached to, in the order of the names.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListTargetsForPolicy(ctx context.Context, name string, p Page) (all []string, next string, err error) {
	if _, _, err := s.read(ctx, name); err != nil {
		return nil, "", err
	}
	return take(s.targets.List(ctx, []string{name}, p.after()), p, func(e entry[link]) (string, bool) { return e.ID[1], true })
}
