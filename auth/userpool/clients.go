package userpool

import (
	"context"
	"errors"

	"github.com/thinghub/thinghub/auth"
)

// ClientInput names a client.
type ClientInput struct {
	UserPoolID string `json:"UserPoolId"`
	ClientID   string `json:"ClientId"`
}

// DescribeUserPoolClient returns a client. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeUserPoolClient(ctx context.Context, in ClientInput) (CreateUserPoolClientOutput, error) {
	if _, _, err := s.pool(ctx, in.UserPoolID); err != nil {
		return CreateUserPoolClientOutput{}, err
	}
	c, _, err := s.client(ctx, in.UserPoolID, in.ClientID)
	if err != nil {
		return CreateUserPoolClientOutput{}, err
	}
	return CreateUserPoolClientOutput{c.described()}, nil
}

// UpdateUserPoolClientInput changes a client: the settings take the place of all that it
// has, except for an empty ClientName.
type UpdateUserPoolClientInput struct {
	UserPoolID string `json:"UserPoolId"`
	ClientID   string `json:"ClientId"`
	ClientSettings
}

// UpdateUserPoolClient replaces the settings of a client. Errors: ErrInvalid,
// ErrNotFound, ErrConcurrent.
func (s *Service) UpdateUserPoolClient(ctx context.Context, in UpdateUserPoolClientInput) (CreateUserPoolClientOutput, error) {
	p, _, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return CreateUserPoolClientOutput{}, err
	}
	for range tries {
		c, e, err := s.client(ctx, p.id, in.ClientID)
		if err != nil {
			return CreateUserPoolClientOutput{}, err
		}
		settings := in.ClientSettings
		if settings.ClientName == "" {
			settings.ClientName = c.Settings.ClientName
		}
		if err := settings.complete(p); err != nil {
			return CreateUserPoolClientOutput{}, err
		}
		c.Settings, c.Modified = settings, s.cfg.Now().UTC()
		if err = s.commit(ctx, s.clients.Put(*c, e.Revision, e.ID...)); err == nil {
			return CreateUserPoolClientOutput{c.described()}, nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return CreateUserPoolClientOutput{}, err
		}
	}
	return CreateUserPoolClientOutput{}, fault(ErrConcurrent, "The client was changed meanwhile, please try again.")
}

// DeleteUserPoolClient deletes a client. Its tokens are good no more. Errors: ErrInvalid,
// ErrNotFound.
func (s *Service) DeleteUserPoolClient(ctx context.Context, in ClientInput) (Empty, error) {
	if _, _, err := s.pool(ctx, in.UserPoolID); err != nil {
		return Empty{}, err
	}
	_, e, err := s.client(ctx, in.UserPoolID, in.ClientID)
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, s.commit(ctx, s.clients.Delete(auth.Any, e.ID...), s.poolOf.Delete(auth.Any, in.ClientID))
}

// ListUserPoolClientsInput asks for a page of clients.
type ListUserPoolClientsInput struct {
	UserPoolID string `json:"UserPoolId"`
	MaxResults int    // 1 to 60
	NextToken  string
}

// ListUserPoolClientsOutput is a page of clients in the order of their ids.
type ListUserPoolClientsOutput struct {
	UserPoolClients []ClientDescription
	NextToken       string `json:",omitempty"`
}

// A ClientDescription is what a list has of a client.
type ClientDescription struct {
	ClientID   string `json:"ClientId"`
	UserPoolID string `json:"UserPoolId"`
	ClientName string
}

// ListUserPoolClients returns a page of the clients of a pool. Errors: ErrInvalid,
// ErrNotFound.
func (s *Service) ListUserPoolClients(ctx context.Context, in ListUserPoolClientsInput) (ListUserPoolClientsOutput, error) {
	out := ListUserPoolClientsOutput{UserPoolClients: []ClientDescription{}}
	if _, _, err := s.pool(ctx, in.UserPoolID); err != nil {
		return out, err
	}
	after, err := page("MaxResults", &in.MaxResults, "NextToken", in.NextToken)
	if err != nil {
		return out, err
	}
	if after != nil {
		after = []string{in.UserPoolID, after[0]}
	}
	for e, err := range s.clients.List(ctx, []string{in.UserPoolID}, after) {
		if err != nil {
			return out, err
		}
		if len(out.UserPoolClients) == in.MaxResults {
			out.NextToken = pageToken(out.UserPoolClients[in.MaxResults-1].ClientID)
			break
		}
		out.UserPoolClients = append(out.UserPoolClients, ClientDescription{e.ID[1], in.UserPoolID, e.Value.Settings.ClientName})
	}
	return out, nil
}
