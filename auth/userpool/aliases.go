package userpool

import (
	"context"
	"slices"

	"github.com/thinghub/thinghub/auth"
)

// An alias is what a user can be found by besides its name.
type alias struct{ attribute, value string }

// aliasesOf are the aliases of a user. Where a preferred name is one, the name itself is
// kept among these, so that nobody prefers another's name or takes a name that somebody
// prefers.
func (p *poolRecord) aliasesOf(u *userRecord) map[alias]bool {
	m := map[alias]bool{{"sub", u.Sub}: true}
	if slices.Contains(p.AliasAttributes, "preferred_username") {
		m[alias{"preferred_username", p.fold(u.Name)}] = true
	}
	for _, a := range p.UsernameAttributes {
		if v := u.Attributes[a]; v != "" {
			m[alias{a, p.fold(v)}] = true
		}
	}
	for _, a := range p.AliasAttributes {
		v := u.Attributes[a]
		if v != "" && (a == "preferred_username" || u.Attributes[a+"_verified"] == "true" && u.Status != Unconfirmed) {
			m[alias{a, p.fold(v)}] = true
		}
	}
	return m
}

// indexed are the attributes that lists are filtered by without reading everybody.
var indexed = []string{"email", "phone_number", "preferred_username", "name", "given_name", "family_name"}

// indexChanges are the changes of what a user is found by. before and after are nil
// where there is no user.
func (s *Service) indexChanges(p *poolRecord, key string, before, after *userRecord) (list []auth.Change) {
	var old, now map[alias]bool
	if before != nil {
		old = p.aliasesOf(before)
	}
	if after != nil {
		now = p.aliasesOf(after)
	}
	for a := range old {
		if !now[a] {
			list = append(list, s.aliases.Delete(auth.Any, p.id, a.attribute, a.value))
		}
	}
	for a := range now {
		if !old[a] {
			list = append(list, s.aliases.Put(key, 0, p.id, a.attribute, a.value))
		}
	}
	for _, a := range indexed {
		var was, is string
		if before != nil {
			was = before.Attributes[a]
		}
		if after != nil {
			is = after.Attributes[a]
		}
		if was == is {
			continue
		}
		if was != "" {
			list = append(list, s.values.Delete(auth.Any, p.id, a, was, key))
		}
		if is != "" {
			list = append(list, s.values.Put(struct{}{}, auth.Any, p.id, a, is, key))
		}
	}
	return list
}

// taken reports whether an alias that a user is about to have is another one's.
func (s *Service) taken(ctx context.Context, p *poolRecord, key string, u *userRecord) error {
	for a := range p.aliasesOf(u) {
		e, err := s.aliases.Find(ctx, p.id, a.attribute, a.value)
		if err != nil {
			return err
		}
		if e.Revision == 0 || e.Value == key {
			continue
		}
		if a.attribute == "preferred_username" && a.value == key {
			return fault(ErrUserExists, "User already exists") // somebody prefers the name
		}
		return fault(ErrAliasExists, "An account with the given %s already exists.", a.attribute)
	}
	return nil
}
