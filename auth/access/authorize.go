package access

import (
	"context"
	"strings"
	"unicode"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/policy"
)

// Authorize decides one request. Clients that are connected are decided for by what
// [Service.Open] returns.
func (s *Service) Authorize(ctx context.Context, id *auth.Identity, r *auth.Request) error {
	if err := s.refused(id, r); err != nil {
		return err
	}
	of, err := s.resolve(ctx, id, id.Grant, &r.Conn)
	if err != nil {
		return err
	}
	defer s.release(of.parts...)
	if err := s.decide(of, r.Action, r.Resource); err != nil {
		return err
	}
	if r.Action == auth.Connect && s.cfg.RefuseWills && r.Conn.HasWill {
		err := s.decide(of, auth.Publish, r.Conn.WillTopic)
		if err == nil && r.Conn.WillRetain {
			err = s.decide(of, auth.RetainPublish, r.Conn.WillTopic)
		}
		return err
	}
	return nil
}

// refused is what no policy can allow.
func (s *Service) refused(id *auth.Identity, r *auth.Request) error {
	switch {
	case limited(id.Kind) && !devices[r.Action]:
		return &auth.Denied{Action: r.Action, Resource: r.Resource, Reason: "the control plane takes requests signed with an access key, not a " + id.Kind.String()}
	case r.Action == auth.Connect && s.cfg.RefuseUnsafeClientIDs && strings.ContainsFunc(r.Resource, unsafeInClientID):
		return &auth.Denied{Action: r.Action, Resource: r.Resource, Reason: "the client id contains one of + # * ? $ / or a control character"}
	}
	return nil
}

func unsafeInClientID(c rune) bool { return strings.ContainsRune("+#*?$/", c) || unicode.IsControl(c) }

// decide answers one question, with the reason if the answer is no.
func (s *Service) decide(r *rights, a auth.Action, resource string) error {
	if r.bound.Decide(string(a), s.resource(a, resource)).Allowed() {
		return nil
	}
	return s.denied(r, a, resource)
}

// denied is a refusal that finds out why for who asks. resource may be memory that is used
// again.
func (s *Service) denied(r *rights, a auth.Action, resource string) error {
	resource = strings.Clone(resource)
	return &auth.Denied{Action: a, Resource: resource, Explain: func() string {
		return r.bound.Explain(string(a), s.resource(a, resource)).Reason()
	}}
}

// Explain decides a request as Authorize does and says why, for people.
func (s *Service) Explain(ctx context.Context, id *auth.Identity, r *auth.Request) (*policy.Explanation, error) {
	of, err := s.resolve(ctx, id, id.Grant, &r.Conn)
	if err != nil {
		return nil, err
	}
	defer s.release(of.parts...)
	return of.bound.Explain(string(r.Action), s.resource(r.Action, r.Resource)), nil
}
