package custom

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"

	"github.com/thinghub/thinghub/auth"
)

// A Page asks for a part of the authorizers.
type Page struct {
	// Size is how many to return, 1 to 250. 0 stands for 250.
	Size int
	// Marker is what the call before returned as next, or empty for the first page.
	Marker string
	// Descending turns the order of the names round.
	Descending bool
	// Status, if it is not empty, leaves out those of the other status.
	Status string
}

const maxPage = 250

// ListAuthorizers returns authorizers in the order of their names, and the marker of the
// next page, which is empty after the last. The error is of kind ErrInvalid.
func (s *Service) ListAuthorizers(ctx context.Context, p Page) (list []Authorizer, next string, err error) {
	if p.Size == 0 {
		p.Size = maxPage
	}
	if p.Size < 1 || p.Size > maxPage {
		return nil, "", invalid("pageSize", strconv.Itoa(p.Size), "Member must have value between 1 and "+strconv.Itoa(maxPage))
	}
	if p.Status != "" {
		if err := checkStatus(p.Status); err != nil {
			return nil, "", err
		}
	}
	after, err := base64.RawURLEncoding.DecodeString(p.Marker)
	if err != nil || (p.Marker != "" && checkText("marker", string(after), maxName, authorizerName) != nil) {
		return nil, "", invalid("marker", p.Marker, "Member must be a marker that this list returned")
	}
	for e, err := range s.authorizers.List(ctx, nil, nil) { // few: see Config.MaxAuthorizers
		if err != nil {
			return nil, "", err
		}
		a := s.authorizer(e.ID[0], e.Value)
		beyond := p.Marker == "" || (a.Name > string(after)) != p.Descending && a.Name != string(after)
		if beyond && (p.Status == "" || p.Status == a.Status) {
			list = append(list, a)
		}
	}
	if p.Descending {
		slices.Reverse(list)
	}
	if len(list) > p.Size {
		list = list[:p.Size]
		next = base64.RawURLEncoding.EncodeToString([]byte(list[p.Size-1].Name))
	}
	return list, next, nil
}

// SetDefaultAuthorizer makes an authorizer the one for clients that name none. It must
// be active, and there must be no other default. The error is of kind ErrNotFound,
// ErrExists or ErrInvalid.
func (s *Service) SetDefaultAuthorizer(ctx context.Context, name string) (Authorizer, error) {
	var out Authorizer
	err := retry(ctx, func() error {
		e, err := s.get(ctx, name)
		if err != nil {
			return err
		}
		out = s.authorizer(name, e.Value)
		if !e.Value.Active {
			return failed(ErrInvalid, "the authorizer %s is INACTIVE, expected ACTIVE", name)
		}
		a, err := s.account.Find(ctx)
		switch {
		case err != nil:
			return err
		case a.Value.Default == name:
			return nil
		case a.Value.Default != "":
			x := failed(ErrExists, "the default authorizer is %s already", a.Value.Default)
			x.ResourceID, x.ResourceARN = a.Value.Default, s.ARN(a.Value.Default)
			return x
		}
		a.Value.Default = name
		return s.cfg.Directory.Commit(ctx, s.account.Put(a.Value, a.Revision))
	})
	if err != nil {
		return Authorizer{}, err
	}
	return out, nil
}

// ClearDefaultAuthorizer leaves clients that name no authorizer without one. The error
// is of kind ErrNotFound if there is no default.
func (s *Service) ClearDefaultAuthorizer(ctx context.Context) error {
	return retry(ctx, func() error {
		a, err := s.account.Find(ctx)
		if err != nil {
			return err
		}
		if a.Value.Default == "" {
			return failed(ErrNotFound, "there is no default authorizer")
		}
		a.Value.Default = ""
		return s.cfg.Directory.Commit(ctx, s.account.Put(a.Value, a.Revision))
	})
}

// DescribeDefaultAuthorizer returns the default authorizer. The error is of kind
// ErrNotFound if there is none.
func (s *Service) DescribeDefaultAuthorizer(ctx context.Context) (Authorizer, error) {
	name, err := s.defaultName(ctx)
	if err != nil {
		return Authorizer{}, err
	}
	if name == "" {
		return Authorizer{}, failed(ErrNotFound, "there is no default authorizer")
	}
	return s.DescribeAuthorizer(ctx, name)
}

// defaultName is empty if there is no default authorizer.
func (s *Service) defaultName(ctx context.Context) (string, error) {
	a, err := s.account.Get(ctx)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return "", err
	}
	return a.Value.Default, nil
}
