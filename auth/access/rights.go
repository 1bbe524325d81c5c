package access

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/policy"
)

// rights are what somebody may do from somewhere, as of one moment.
type rights struct {
	round    uint64
	facts    *policy.Facts
	parts    []*set
	own      int               // which of them is what hangs on the principal itself; -1: none
	programs []*policy.Program // of the parts
	join     func(parts []*policy.Bound) *policy.Bound
	bound    *policy.Bound
	thing    *Thing // that the client is; nil if it is none
	cert     *x509.Certificate
	limited  bool // to the actions of devices
}

// resolve finds out what an identity may do on a connection. Its sets are acquired.
func (s *Service) resolve(ctx context.Context, id *auth.Identity, g *auth.Grant, c *auth.Conn) (*rights, error) {
	r := &rights{facts: s.factsOf(id, c), limited: limited(id.Kind), cert: id.Certificate}
	if c.ClientID != "" && s.cfg.Things != nil {
		t, err := s.cfg.Things.Thing(ctx, c.ClientID, id.Attached())
		if err != nil {
			return nil, fmt.Errorf("access: thing %s: %w", c.ClientID, err)
		}
		if t != nil {
			r.facts.Thing = policy.Thing{Name: t.Name, Type: t.Type, Attributes: t.Attributes, Attached: t.Attached}
			if r.facts.OwnThing() {
				r.thing = t
			}
		}
	}
	r.join = func(parts []*policy.Bound) *policy.Bound { return parts[0] }
	var carried, session []auth.Document
	if g != nil {
		carried, session = g.Policies, g.Session
	}
	switch id.Kind {
	case auth.Custom:
		r.parts = append(r.parts, s.acquire(ctx, nil, carried))
	case auth.Authenticated, auth.Guest:
		role, err := s.attachedToRole(ctx, id)
		if err != nil {
			return nil, err
		}
		r.parts = append(r.parts, s.acquire(ctx, role, carried))
		if id.Kind == auth.Guest {
			r.own = -1 // nothing that hangs on a guest counts
			break
		}
		names, err := s.attachedTo(ctx, id, r)
		if err != nil {
			s.release(r.parts...)
			return nil, err
		}
		r.own = len(r.parts)
		r.parts = append(r.parts, s.acquire(ctx, names, nil))
		r.join = func(parts []*policy.Bound) *policy.Bound { return policy.AndIdentity(parts[0], parts[1]) }
	default:
		names, err := s.attachedTo(ctx, id, r)
		if err != nil {
			return nil, err
		}
		r.parts = append(r.parts, s.acquire(ctx, names, carried))
	}
	if session != nil {
		r.parts = append(r.parts, s.acquire(ctx, nil, session))
		inner := r.join
		r.join = func(parts []*policy.Bound) *policy.Bound {
			last := len(parts) - 1
			return policy.And(inner(parts[:last]), parts[last])
		}
	}
	s.bind(r)
	return r, nil
}

// attachedTo returns the names of what is attached to an identity, and to the groups of
// its thing, or of the user that it is.
func (s *Service) attachedTo(ctx context.Context, id *auth.Identity, r *rights) ([]string, error) {
	names, err := s.attached(ctx, id.Attached())
	if err != nil {
		return nil, err
	}
	var groups []string
	if r.thing != nil {
		groups = r.thing.Groups
	}
	if id.Kind == auth.IAM {
		if groups, err = s.ListGroupsForUser(ctx, id.Attached()); err != nil {
			return nil, err
		}
	}
	for _, group := range groups {
		more, err := s.attached(ctx, group)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// attachedToRole returns the names of what is attached to the role of an identity.
func (s *Service) attachedToRole(ctx context.Context, id *auth.Identity) ([]string, error) {
	if id.Role == "" {
		return nil, nil
	}
	return s.attached(ctx, id.Role)
}

// bind binds the programs that the sets have now.
func (s *Service) bind(r *rights) {
	r.round = s.round.Load()
	r.programs = make([]*policy.Program, len(r.parts))
	bounds := make([]*policy.Bound, len(r.parts))
	for i, x := range r.parts {
		r.programs[i] = x.program.Load()
		if r.cert != nil && r.facts.Certificate == nil && asksCertificate(r.programs[i]) {
			f := *r.facts // which is some Bound's
			f.Certificate = policy.CertificateFacts(r.cert)
			r.facts = &f
		}
	}
	for i, p := range r.programs {
		bounds[i] = p.Bind(r.facts)
	}
	r.bound = r.join(bounds)
}

// asksCertificate reports whether policies look into certificates, which takes time.
func asksCertificate(p *policy.Program) bool {
	return slices.ContainsFunc(p.Keys(), func(key string) bool {
		const prefix = "iot:certificate."
		return len(key) > len(prefix) && strings.EqualFold(key[:len(prefix)], prefix)
	})
}

// renewed returns rights with the programs that the sets have now: r itself if these are
// the same, but for the round.
func (s *Service) renewed(r *rights) *rights {
	n := *r
	n.round = s.round.Load()
	for i, x := range r.parts {
		if x.program.Load() != r.programs[i] {
			s.bind(&n)
			break
		}
	}
	return &n
}

// factsOf is what is known about a connection without asking anybody.
func (s *Service) factsOf(id *auth.Identity, c *auth.Conn) *policy.Facts {
	f := &policy.Facts{ClientID: c.ClientID, HTTP: c.ClientID == "", DomainName: c.ServerName, Secure: c.Secure, Now: s.cfg.Now}
	if a, err := netip.ParseAddrPort(addrText(c)); err == nil {
		f.SourceIP = a.Addr().Unmap()
	}
	if id.Kind == auth.Certificate {
		f.CertificateID = id.Principal
	}
	if id.Kind == auth.Authenticated || id.Kind == auth.Guest {
		f.Cognito = &policy.Cognito{
			IdentityID: id.Principal, PoolID: id.Attributes["cognito-identity.amazonaws.com:aud"], Authenticated: id.Kind == auth.Authenticated,
		}
		if amr := id.Attributes["cognito-identity.amazonaws.com:amr"]; amr != "" {
			f.Cognito.AMR = strings.Split(amr, ",")
		}
	}
	if c.Persistent {
		f.ConnectAttributes = append(f.ConnectAttributes, policy.PersistentConnect)
	}
	if c.HasWill {
		f.ConnectAttributes = append(f.ConnectAttributes, policy.LastWill)
		f.LastWillTopic = s.scope + "topic/" + c.WillTopic
	}
	for k, v := range id.Attributes {
		if strings.Contains(k, ":") {
			if f.Extra == nil {
				f.Extra = map[string][]string{}
			}
			f.Extra[k] = []string{v}
		}
	}
	return f
}

func addrText(c *auth.Conn) string {
	if c.RemoteAddr == nil {
		return ""
	}
	return c.RemoteAddr.String()
}
