package userpool

import (
	"context"
	"encoding/base64"
	"strconv"

	"github.com/thinghub/thinghub/auth"
)

// ListUserPoolsInput asks for a page of pools.
type ListUserPoolsInput struct {
	MaxResults int // 1 to 60
	NextToken  string
}

// ListUserPoolsOutput is a page of pools in the order of their ids.
type ListUserPoolsOutput struct {
	UserPools []PoolDescription
	NextToken string `json:",omitempty"`
}

// A PoolDescription is what a list has of a pool.
type PoolDescription struct {
	ID               string `json:"Id"`
	Name             string
	CreationDate     Time
	LastModifiedDate Time
}

// ListUserPools returns a page of pools. Errors: ErrInvalid.
func (s *Service) ListUserPools(ctx context.Context, in ListUserPoolsInput) (ListUserPoolsOutput, error) {
	out := ListUserPoolsOutput{UserPools: []PoolDescription{}}
	after, err := page("MaxResults", &in.MaxResults, "NextToken", in.NextToken)
	if err != nil {
		return out, err
	}
	for e, err := range s.pools.List(ctx, nil, after) {
		if err != nil {
			return out, err
		}
		if len(out.UserPools) == in.MaxResults {
			out.NextToken = pageToken(out.UserPools[in.MaxResults-1].ID)
			break
		}
		p := e.Value
		out.UserPools = append(out.UserPools, PoolDescription{e.ID[0], p.Name, Time{p.Created}, Time{p.Modified}})
	}
	return out, nil
}

const mostPage = 60

// page checks the size of a page and reads its token; the size is the most if it is 0.
func page(sizeField string, size *int, tokenField, token string) (after []string, err error) {
	if *size == 0 {
		*size = mostPage
	}
	if *size < 1 || *size > mostPage {
		return nil, invalid(sizeField, strconv.Itoa(*size), "1 to 60")
	}
	if token == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) == 0 || len(b) > 2<<10 {
		return nil, invalid(tokenField, token, "a token that this list returned")
	}
	return auth.Parts(string(b)), nil
}

// pageToken is the token of the page behind an id.
func pageToken(id ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(auth.Key(id...)))
}

// DeleteUserPool deletes a pool and all that is in it; a hub that ends meanwhile leaves
// records that nobody can reach. Errors: ErrInvalid, ErrNotFound, and ErrInvalid too if
// the pool is protected.
func (s *Service) DeleteUserPool(ctx context.Context, in PoolInput) (Empty, error) {
	p, e, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return Empty{}, err
	}
	if p.Settings.DeletionProtection == "ACTIVE" {
		return Empty{}, fault(ErrInvalid, "The user pool cannot be deleted because deletion protection is activated.")
	}
	for c, err := range s.clients.List(ctx, []string{p.id}, nil) {
		if err != nil {
			return Empty{}, err
		}
		if err := s.commit(ctx, s.clients.Delete(auth.Any, c.ID...), s.poolOf.Delete(auth.Any, c.ID[1])); err != nil {
			return Empty{}, err
		}
	}
	if err := s.commit(ctx, s.pools.Delete(e.Revision, p.id), s.nobodies.Delete(auth.Any, p.id)); err != nil {
		return Empty{}, err
	}
	s.keys.forget(p.id)
	for _, prefix := range []string{
		s.users.Key(p.id, ""), s.aliases.Key(p.id, ""), s.values.Key(p.id, ""), s.groups.Key(p.id, ""),
		s.members.Key(p.id, ""), s.logins.Key(p.id, ""), s.keys.table.Key(p.id, ""),
	} {
		if err := s.deleteAll(ctx, prefix); err != nil {
			return Empty{}, err
		}
	}
	return Empty{}, nil
}

// deleteAll deletes all records behind a prefix, some at a time.
func (s *Service) deleteAll(ctx context.Context, prefix string) error {
	const most = 100
	var batch []auth.Change
	for r, err := range s.cfg.Directory.Scan(ctx, prefix, "") {
		if err != nil {
			return err
		}
		if batch = append(batch, auth.Change{Key: r.Key, Was: auth.Any}); len(batch) == most {
			if err := s.commit(ctx, batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return s.commit(ctx, batch...)
}

// MfaConfig says whether users have software tokens.
type MfaConfig struct {
	MfaConfiguration              string
	SoftwareTokenMfaConfiguration *SoftwareTokenMfaConfig `json:",omitempty"`
}

// SoftwareTokenMfaConfig turns software tokens on.
type SoftwareTokenMfaConfig struct{ Enabled bool }

// SetUserPoolMfaConfigInput changes how a pool uses software tokens. Other factors than
// software tokens are not offered.
type SetUserPoolMfaConfigInput struct {
	UserPoolID string `json:"UserPoolId"`
	MfaConfig
}

// SetUserPoolMfaConfig changes how a pool uses software tokens. Errors: ErrInvalid,
// ErrNotFound.
func (s *Service) SetUserPoolMfaConfig(ctx context.Context, in SetUserPoolMfaConfigInput) (MfaConfig, error) {
	mode := in.MfaConfiguration
	if err := oneOf("MfaConfiguration", &mode, "OFF", "OPTIONAL", "ON"); err != nil {
		return MfaConfig{}, err
	}
	if c := in.SoftwareTokenMfaConfiguration; mode != "OFF" && c != nil && !c.Enabled {
		return MfaConfig{}, fault(ErrInvalid, "SoftwareTokenMfaConfiguration.Enabled is false, expected true where MfaConfiguration is %s: there is no other factor", mode)
	}
	err := s.changePool(ctx, in.UserPoolID, func(p *poolRecord) error {
		p.Settings.MfaConfiguration = mode
		return nil
	})
	return mfaConfig(mode), err
}

// GetUserPoolMfaConfig returns how a pool uses software tokens. Errors: ErrInvalid,
// ErrNotFound.
func (s *Service) GetUserPoolMfaConfig(ctx context.Context, in PoolInput) (MfaConfig, error) {
	p, _, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return MfaConfig{}, err
	}
	return mfaConfig(p.Settings.MfaConfiguration), nil
}

func mfaConfig(mode string) MfaConfig {
	return MfaConfig{mode, &SoftwareTokenMfaConfig{mode != "OFF"}}
}
