package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/policy"
)

// EffectivePolicies returns the policies that count for a principal, "" for nobody, and
// those of the groups of a thing, "" for none, by name.
func (s *Service) EffectivePolicies(ctx context.Context, principal, thing string) ([]Policy, error) {
	var names []string
	if principal != "" {
		if err := s.checkTarget(principal); err != nil {
			return nil, err
		}
		of, err := s.attached(ctx, principal)
		if err != nil {
			return nil, err
		}
		names = of
	}
	if thing != "" && s.cfg.Things != nil {
		t, err := s.cfg.Things.Thing(ctx, thing, principal)
		if err != nil {
			return nil, fmt.Errorf("access: thing %s: %w", thing, err)
		}
		if t == nil {
			return nil, fault(ErrNotFound, "Thing %s cannot be found.", thing)
		}
		for _, group := range t.Groups {
			of, err := s.attached(ctx, group)
			if err != nil {
				return nil, err
			}
			names = append(names, of...)
		}
	}
	slices.Sort(names)
	all := []Policy{}
	for _, name := range slices.Compact(names) {
		switch p, err := s.GetPolicy(ctx, name); {
		case err == nil:
			all = append(all, p)
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return all, nil
}

// A Question is what [Service.TestAuthorization] is asked.
type Question struct {
	Action auth.Action
	// Resources are ARNs, or "*": at least one.
	Resources []string
}

// An Answer says what would become of the resources of a question: the worst of what
// would become of each.
type Answer struct {
	Question
	Outcome policy.Outcome
	// Allows and Denies are the names of the policies with a statement that allows, or
	// denies, one of the resources.
	Allows, Denies []string
	// Policies are the names of all policies that were looked at.
	Policies []string
	// Missing are variables and condition keys without a value that kept a statement
	// from being judged.
	Missing []string
}

// TestAuthorization says what an identity might do on a connection with the policies it
// has, and those of add, but not those of skip. Those of add count as if they were attached
// to the identity itself: for one that has signed in beside the role, for a guest not at all.
// Nothing is changed.
//
// Errors: ErrInvalid, ErrNotFound (a policy of add or skip).
func (s *Service) TestAuthorization(ctx context.Context, id *auth.Identity, c *auth.Conn, questions []Question, add, skip []string) ([]Answer, error) {
	for _, name := range slices.Concat(add, skip) {
		if _, _, err := s.read(ctx, name); err != nil {
			return nil, err
		}
	}
	of, err := s.resolve(ctx, id, id.Grant, c)
	if err != nil {
		return nil, err
	}
	defer s.release(of.parts...)
	if len(add)+len(skip) > 0 {
		tried := *of
		tried.parts = nil
		for i, x := range of.parts {
			names := slices.DeleteFunc(slices.Clone(x.names), func(n string) bool { return slices.Contains(skip, n) })
			if i == of.own {
				names = append(names, add...)
			}
			slices.Sort(names)
			tried.parts = append(tried.parts, s.acquire(ctx, slices.Compact(names), x.grant))
		}
		defer s.release(tried.parts...)
		s.bind(&tried)
		of = &tried
	}
	answers := make([]Answer, 0, len(questions))
	for i, q := range questions {
		if len(q.Resources) == 0 {
			return nil, invalid(fmt.Sprintf("authInfos.%d.resources", i+1), "[]", "Member must have at least one resource")
		}
		answers = append(answers, s.answer(of, q))
	}
	return answers, nil
}

func (s *Service) answer(r *rights, q Question) Answer {
	a := Answer{Question: q, Outcome: policy.Allowed}
	if r.limited && !devices[q.Action] {
		a.Outcome = policy.ImplicitDeny
		return a
	}
	for _, resource := range q.Resources {
		e := r.bound.Explain(string(q.Action), resource)
		switch {
		case e.Decision.Outcome == policy.ExplicitDeny, a.Outcome == policy.Allowed:
			a.Outcome = e.Decision.Outcome
		}
		for _, f := range e.Findings {
			a.Policies = append(a.Policies, f.Statement.Policy)
			switch {
			case !f.Applies:
			case f.Statement.Effect == policy.Deny:
				a.Denies = append(a.Denies, f.Statement.Policy)
			default:
				a.Allows = append(a.Allows, f.Statement.Policy)
			}
		}
		a.Missing = append(a.Missing, e.Missing...)
	}
	for _, list := range []*[]string{&a.Allows, &a.Denies, &a.Policies, &a.Missing} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return a
}
