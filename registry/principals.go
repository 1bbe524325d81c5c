package registry

import (
	"context"
	"errors"
	"fmt"
)

// PrincipalType says whether a principal may have other things.
type PrincipalType string

// The types of attachments.
const (
	// Exclusive makes the thing the only one of its principal.
	Exclusive PrincipalType = "EXCLUSIVE_THING"
	// NonExclusive lets the principal have other things.
	NonExclusive PrincipalType = "NON_EXCLUSIVE_THING"
)

// An Attachment ties a principal to a thing.
type Attachment struct {
	Thing string
	// Principal is the ARN of a certificate, or the name of another identity: 1 to
	// 2048 characters without blanks. The registry does not ask whether it exists.
	Principal string
	// Type is empty for NonExclusive in AttachThingPrincipal, never in lists.
	Type PrincipalType
}

// AttachThingPrincipal attaches a principal to a thing. That it is attached in the
// same way already is no error.
//
// Errors: ErrInvalid (also: the principal has another thing exclusively, or is to
// have this one exclusively and has others, or has this one in the other way),
// ErrNotFound (the thing).
func (s *Service) AttachThingPrincipal(ctx context.Context, a Attachment) error {
	if err := s.checkAttachment(a.Thing, a.Principal, a.Type); err != nil {
		return err
	}
	if a.Type == "" {
		a.Type = NonExclusive
	}
	defer s.locks.link(a.Thing, a.Principal)()
	if _, err := s.thing(ctx, a.Thing); err != nil {
		return err
	}
	links := s.store.Links()
others:
	for l, err := range links.To(ctx, LinkPrincipal, a.Principal, "") {
		switch {
		case err != nil:
			return fmt.Errorf("registry: things of principal %s: %w", a.Principal, err)
		case l.From == a.Thing && PrincipalType(l.Value) == a.Type:
			return nil
		case l.From == a.Thing:
			return refused("Principal %s is attached to thing %s as %s already: detach it first", a.Principal, a.Thing, l.Value)
		case PrincipalType(l.Value) == Exclusive:
			return refused("Principal %s is attached to another thing exclusively", a.Principal)
		case a.Type == Exclusive:
			return refused("Principal %s is attached to other things: it cannot have thing %s exclusively", a.Principal, a.Thing)
		default:
			break others // where one is not exclusive, none is
		}
	}
	if err := links.Put(ctx, Link{Kind: LinkPrincipal, From: a.Thing, To: a.Principal, Value: string(a.Type)}); err != nil {
		return fmt.Errorf("registry: attach principal %s to thing %s: %w", a.Principal, a.Thing, err)
	}
	s.changed(a.Thing)
	return nil
}

func (s *Service) checkAttachment(thing, principal string, t PrincipalType) error {
	if err := checkName("thingName", thing); err != nil {
		return err
	}
	if err := checkPrincipal(principal); err != nil {
		return err
	}
	return checkPrincipalType(t)
}

func checkPrincipalType(t PrincipalType) error {
	if t == "" {
		return nil
	}
	return checkEnum("thingPrincipalType", string(t), string(Exclusive), string(NonExclusive))
}

// DetachThingPrincipal takes a principal off a thing, at once. That it is not attached
// is no error.
//
// Errors: ErrInvalid, ErrNotFound (the thing).
func (s *Service) DetachThingPrincipal(ctx context.Context, thing, principal string) error {
	if err := s.checkAttachment(thing, principal, ""); err != nil {
		return err
	}
	defer s.locks.link(thing, principal)()
	if _, err := s.thing(ctx, thing); err != nil {
		return err
	}
	if err := s.store.Links().Delete(ctx, LinkPrincipal, thing, principal); err != nil {
		return fmt.Errorf("registry: detach principal %s from thing %s: %w", principal, thing, err)
	}
	s.changed(thing)
	return nil
}

// ListThingPrincipals returns the principals of a thing in the order of their names,
// of one type unless that is empty.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListThingPrincipals(ctx context.Context, thing string, t PrincipalType, p Page) (principals []Attachment, next string, err error) {
	if err := checkName("thingName", thing); err != nil {
		return nil, "", err
	}
	list := "principals\x00" + thing + "\x00" + string(t)
	size, after, err := p.openTyped(list, t)
	if err != nil {
		return nil, "", err
	}
	if _, err := s.thing(ctx, thing); err != nil {
		return nil, "", err
	}
	links := s.store.Links().Of(ctx, LinkPrincipal, thing, after)
	principals, next, err = take(links, list, size, func(l Link) string { return l.To }, t.pick)
	if err != nil {
		return nil, "", fmt.Errorf("registry: list principals of thing %s: %w", thing, err)
	}
	return principals, next, nil
}

// ListPrincipalThings returns the things of a principal in the order of their names,
// of one type unless that is empty. A principal that is unknown has none.
//
// Errors: ErrInvalid.
func (s *Service) ListPrincipalThings(ctx context.Context, principal string, t PrincipalType, p Page) (things []Attachment, next string, err error) {
	if err := checkPrincipal(principal); err != nil {
		return nil, "", err
	}
	list := "principal things\x00" + principal + "\x00" + string(t)
	size, after, err := p.openTyped(list, t)
	if err != nil {
		return nil, "", err
	}
	links := s.store.Links().To(ctx, LinkPrincipal, principal, after)
	things, next, err = take(links, list, size, func(l Link) string { return l.From }, t.pick)
	if err != nil {
		return nil, "", fmt.Errorf("registry: list things of principal %s: %w", principal, err)
	}
	return things, next, nil
}

func (p Page) openTyped(list string, t PrincipalType) (size int, after string, err error) {
	if err := checkPrincipalType(t); err != nil {
		return 0, "", err
	}
	return p.open(list, maxPage)
}

// pick takes links of a type, or all if it is empty.
func (t PrincipalType) pick(l Link) (Attachment, bool) {
	a := Attachment{Thing: l.From, Principal: l.To, Type: PrincipalType(l.Value)}
	return a, t == "" || t == a.Type
}

// ExclusiveThing returns the thing that a principal has exclusively, or "" if it has
// none so. It is meant for whoever connects clients: the thing of such a principal is
// the client's thing, whatever the client id.
func (s *Service) ExclusiveThing(ctx context.Context, principal string) (string, error) {
	for l, err := range s.store.Links().To(ctx, LinkPrincipal, principal, "") {
		if err != nil {
			return "", fmt.Errorf("registry: things of principal %s: %w", principal, err)
		}
		if PrincipalType(l.Value) == Exclusive {
			return l.From, nil
		}
		break
	}
	return "", nil
}

// Attached reports whether a principal is attached to a thing in any way.
func (s *Service) Attached(ctx context.Context, thing, principal string) (bool, error) {
	switch _, err := s.store.Links().Get(ctx, LinkPrincipal, thing, principal); {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrNotFound):
		return false, nil
	default:
		return false, fmt.Errorf("registry: principal %s of thing %s: %w", principal, thing, err)
	}
}
