package identitypool

import (
	"context"
	"strconv"
	"time"
)

type developerTokenIn struct {
	Pool     string            `json:"IdentityPoolId"`
	ID       string            `json:"IdentityId"`
	Logins   Logins            `json:"Logins"`
	Duration *int64            `json:"TokenDuration"`
	Tags     map[string]string `json:"PrincipalTags"`
}

func (s *Service) httpDeveloperToken(ctx context.Context, in developerTokenIn) (tokenOut, error) {
	d := DeveloperLogin{Pool: in.Pool, Identity: in.ID, Logins: in.Logins}
	if len(in.Tags) > 0 { // a policy that counts on them would not hold
		return tokenOut{}, invalid("principalTags", strconv.Itoa(len(in.Tags))+" members", "Member must not be there: tags of principals are not supported")
	}
	if n := in.Duration; n != nil {
		if *n < 1 || *n > int64(longestDeveloperLife/time.Second) {
			return tokenOut{}, invalid("tokenDuration", strconv.FormatInt(*n, 10), "Member must have value between 1 and 86400")
		}
		d.Duration = time.Duration(*n) * time.Second
	}
	id, token, err := s.GetOpenIDTokenForDeveloperIdentity(ctx, d)
	return tokenOut{id, token}, err
}

// developerIn is the input of the operations on users of the host's backend.
type developerIn struct {
	listIn
	ID          string `json:"IdentityId"`
	Provider    string `json:"DeveloperProviderName"`
	User        string `json:"DeveloperUserIdentifier"`
	Source      string `json:"SourceUserIdentifier"`
	Destination string `json:"DestinationUserIdentifier"`
}

func (s *Service) ofDeveloper(_ context.Context, in developerIn) (string, error) {
	return s.PoolARN(in.Pool), nil
}

type lookupOut struct {
	ID    string   `json:"IdentityId"`
	Users []string `json:"DeveloperUserIdentifierList"`
	Next  string   `json:"NextToken,omitempty"`
}

func (s *Service) httpLookup(ctx context.Context, in developerIn) (lookupOut, error) {
	p, err := in.page()
	if err != nil {
		return lookupOut{}, err
	}
	id, users, next, err := s.LookupDeveloperIdentity(ctx, in.Pool, in.ID, in.User, p)
	if users == nil {
		users = []string{}
	}
	return lookupOut{id, users, next}, err
}

func (s *Service) httpMerge(ctx context.Context, in developerIn) (identityRef, error) {
	id, err := s.MergeDeveloperIdentities(ctx, in.Pool, in.Provider, in.Source, in.Destination)
	return identityRef{id}, err
}

func (s *Service) httpUnlinkDeveloper(ctx context.Context, in developerIn) (nothing, error) {
	return nothing{}, s.UnlinkDeveloperIdentity(ctx, in.Pool, in.ID, in.Provider, in.User)
}
