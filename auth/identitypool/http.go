package identitypool

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/internal/awsjson"
)

// maxBody is how long the body of a request may be: ten logins fit in.
const maxBody = 1 << 20

// Handler serves the operations of identity pools as AWS does: POST / with the header
// X-Amz-Target: AWSCognitoIdentityService.OPERATION and a JSON body. GetId,
// GetCredentialsForIdentity, GetOpenIdToken and UnlinkIdentity are for everybody, since what
// is in them proves who asks; about the others Config.Authorize is asked.
func (s *Service) Handler() http.Handler {
	return &awsjson.Handler{
		Prefix: "AWSCognitoIdentityService", MaxBody: maxBody, Invalid: exceptions[ErrInvalid], Logger: s.cfg.Logger, Room: s.room,
		Operations: map[string]awsjson.Operation{
			"CreateIdentityPool":                 signed(s, "CreateIdentityPool", s.any, s.httpCreate),
			"DescribeIdentityPool":               signed(s, "DescribeIdentityPool", s.ofPool, s.httpDescribe),
			"UpdateIdentityPool":                 signed(s, "UpdateIdentityPool", s.ofWholePool, s.httpUpdate),
			"DeleteIdentityPool":                 signed(s, "DeleteIdentityPool", s.ofPool, s.httpDelete),
			"ListIdentityPools":                  signed(s, "ListIdentityPools", s.anyList, s.httpList),
			"SetIdentityPoolRoles":               awsjson.Of(exceptions[ErrInvalid], s.httpSetRoles),
			"GetIdentityPoolRoles":               signed(s, "GetIdentityPoolRoles", s.ofPool, s.httpGetRoles),
			"GetId":                              awsjson.Of(exceptions[ErrInvalid], s.httpGetID),
			"GetCredentialsForIdentity":          awsjson.Of(exceptions[ErrInvalid], s.httpCredentials),
			"GetOpenIdToken":                     awsjson.Of(exceptions[ErrInvalid], s.httpToken),
			"GetOpenIdTokenForDeveloperIdentity": signed(s, "GetOpenIdTokenForDeveloperIdentity", func(_ context.Context, in developerTokenIn) (string, error) { return s.PoolARN(in.Pool), nil }, s.httpDeveloperToken),
			"LookupDeveloperIdentity":            signed(s, "LookupDeveloperIdentity", s.ofDeveloper, s.httpLookup),
			"MergeDeveloperIdentities":           signed(s, "MergeDeveloperIdentities", s.ofDeveloper, s.httpMerge),
			"UnlinkDeveloperIdentity":            signed(s, "UnlinkDeveloperIdentity", s.ofDeveloper, s.httpUnlinkDeveloper),
			"UnlinkIdentity":                     awsjson.Of(exceptions[ErrInvalid], s.httpUnlink),
			"DescribeIdentity":                   signed(s, "DescribeIdentity", s.ofIdentity, s.httpDescribeIdentity),
			"ListIdentities":                     signed(s, "ListIdentities", func(_ context.Context, in listIn) (string, error) { return s.PoolARN(in.Pool), nil }, s.httpListIdentities),
			"DeleteIdentities":                   awsjson.Of(exceptions[ErrInvalid], s.httpDeleteIdentities),
		},
	}
}

// signed makes an operation that Config.Authorize is asked about. resource says what it is
// about; what that says of the input must not tell more than its form does.
func signed[I, O any](s *Service, name string, resource func(context.Context, I) (string, error), do func(context.Context, I) (O, error)) awsjson.Operation {
	return awsjson.Of(exceptions[ErrInvalid], func(ctx context.Context, r *http.Request, body []byte, in I) (out O, err error) {
		on, err := resource(ctx, in)
		if err != nil {
			return out, err
		}
		if err := s.allowed(ctx, r, body, name, on); err != nil {
			return out, err
		}
		return do(ctx, in)
	})
}

// allowed asks Config.Authorize about an operation.
func (s *Service) allowed(ctx context.Context, r *http.Request, body []byte, name, resource string) error {
	return s.mayDo(ctx, r, body, auth.Action("cognito-identity:"+name), resource)
}

func (s *Service) mayDo(ctx context.Context, r *http.Request, body []byte, action auth.Action, resource string) error {
	n := s.room.Of(ctx)
	n.Action, n.Resource = action, resource
	id, err := s.cfg.Authorize(audit.Apart(ctx), r, body, action, resource)
	n.By(id)
	return err
}

type (
	nothing struct{}
	poolRef struct {
		Pool string `json:"IdentityPoolId"`
	}
	identityRef struct {
		ID string `json:"IdentityId"`
	}
	identityIn struct {
		Pool   string   `json:"IdentityPoolId"`
		ID     string   `json:"IdentityId"`
		Logins Logins   `json:"Logins"`
		Role   string   `json:"CustomRoleArn"`
		Remove []string `json:"LoginsToRemove"`
	}
	listIn struct {
		Pool         string `json:"IdentityPoolId"`
		MaxResults   *int   `json:"MaxResults"`
		NextToken    string `json:"NextToken"`
		HideDisabled bool   `json:"HideDisabled"`
	}
	rolesIn struct {
		Pool string `json:"IdentityPoolId"`
		Roles
	}
)

func (s *Service) any(context.Context, Pool) (string, error)       { return "*", nil }
func (s *Service) anyList(context.Context, listIn) (string, error) { return "*", nil }
func (s *Service) ofPool(_ context.Context, in poolRef) (string, error) {
	return s.PoolARN(in.Pool), nil
}

func (s *Service) ofWholePool(_ context.Context, in Pool) (string, error) {
	return s.PoolARN(in.ID), nil
}

// ofIdentity is the pool of an identity. Who may not see all pools is not told that there is
// no such identity.
func (s *Service) ofIdentity(ctx context.Context, in identityRef) (string, error) {
	e, _, err := s.readIdentity(ctx, in.ID)
	if errors.Is(err, ErrNotFound) {
		return s.PoolARN("*"), nil
	}
	return s.PoolARN(e.Value.Pool), err
}

func (in listIn) page() (Page, error) {
	p := Page{Next: in.NextToken}
	if in.MaxResults != nil {
		if p.Size = *in.MaxResults; p.Size < 1 {
			return p, invalid("maxResults", strconv.Itoa(p.Size), "Member must have value between 1 and "+strconv.Itoa(maxPage))
		}
	}
	return p, nil
}

func (s *Service) httpCreate(ctx context.Context, in Pool) (Pool, error) {
	return s.CreateIdentityPool(ctx, in)
}

func (s *Service) httpDescribe(ctx context.Context, in poolRef) (Pool, error) {
	return s.DescribeIdentityPool(ctx, in.Pool)
}

func (s *Service) httpUpdate(ctx context.Context, in Pool) (Pool, error) {
	return s.UpdateIdentityPool(ctx, in)
}

func (s *Service) httpDelete(ctx context.Context, in poolRef) (nothing, error) {
	return nothing{}, s.DeleteIdentityPool(ctx, in.Pool)
}

type poolList struct {
	Pools []PoolSummary `json:"IdentityPools"`
	Next  string        `json:"NextToken,omitempty"`
}

func (s *Service) httpList(ctx context.Context, in listIn) (out poolList, err error) {
	p, err := in.page()
	if err == nil {
		out.Pools, out.Next, err = s.ListIdentityPools(ctx, p)
	}
	return out, err
}

// httpSetRoles asks about the roles as well: who could give a pool any role could take it.
func (s *Service) httpSetRoles(ctx context.Context, r *http.Request, body []byte, in rolesIn) (nothing, error) {
	if err := s.allowed(ctx, r, body, "SetIdentityPoolRoles", s.PoolARN(in.Pool)); err != nil {
		return nothing{}, err
	}
	if err := s.checkRoles(&in.Roles); err != nil {
		return nothing{}, err
	}
	n := s.room.Of(ctx)
	action, resource := n.Action, n.Resource
	for _, role := range in.ARNs() {
		if err := s.mayDo(ctx, r, body, "iam:PassRole", role); err != nil {
			return nothing{}, err
		}
	}
	n.Action, n.Resource = action, resource
	return nothing{}, s.SetIdentityPoolRoles(ctx, in.Pool, in.Roles)
}

func (s *Service) httpGetRoles(ctx context.Context, in poolRef) (out rolesIn, err error) {
	out.Pool = in.Pool
	out.Roles, err = s.GetIdentityPoolRoles(ctx, in.Pool)
	return out, err
}

func (s *Service) httpGetID(ctx context.Context, _ *http.Request, _ []byte, in identityIn) (identityRef, error) {
	id, err := s.GetID(ctx, in.Pool, in.Logins)
	return identityRef{id}, err
}

// epoch is a time as AWS's JSON protocol has it: seconds since 1970.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

type credentialsOut struct {
	ID          string `json:"IdentityId"`
	Credentials struct {
		ID         string `json:"AccessKeyId"`
		Secret     string `json:"SecretKey"`
		Token      string `json:"SessionToken"`
		Expiration float64
	}
}

func (s *Service) httpCredentials(ctx context.Context, _ *http.Request, _ []byte, in identityIn) (out credentialsOut, err error) {
	made, err := s.GetCredentialsForIdentity(ctx, in.ID, in.Logins, in.Role)
	out.ID = in.ID
	c := &out.Credentials
	c.ID, c.Secret, c.Token, c.Expiration = made.AccessKeyID, made.SecretAccessKey, made.SessionToken, epoch(made.Expiration)
	return out, err
}

type tokenOut struct {
	ID    string `json:"IdentityId"`
	Token string
}

func (s *Service) httpToken(ctx context.Context, _ *http.Request, _ []byte, in identityIn) (tokenOut, error) {
	token, err := s.GetOpenIDToken(ctx, in.ID, in.Logins)
	return tokenOut{in.ID, token}, err
}

func (s *Service) httpUnlink(ctx context.Context, _ *http.Request, _ []byte, in identityIn) (nothing, error) {
	return nothing{}, s.UnlinkIdentity(ctx, in.ID, in.Logins, in.Remove)
}

type identityOut struct {
	ID       string   `json:"IdentityId"`
	Logins   []string `json:"Logins,omitempty"`
	Created  float64  `json:"CreationDate"`
	Modified float64  `json:"LastModifiedDate"`
}

func outOf(i Identity) identityOut {
	return identityOut{i.ID, i.Logins, epoch(i.Created), epoch(i.Modified)}
}

func (s *Service) httpDescribeIdentity(ctx context.Context, in identityRef) (identityOut, error) {
	i, err := s.DescribeIdentity(ctx, in.ID)
	return outOf(i), err
}

type identityList struct {
	Pool       string        `json:"IdentityPoolId"`
	Identities []identityOut `json:"Identities"`
	Next       string        `json:"NextToken,omitempty"`
}

func (s *Service) httpListIdentities(ctx context.Context, in listIn) (identityList, error) {
	out := identityList{Pool: in.Pool, Identities: []identityOut{}}
	p, err := in.page()
	if err != nil {
		return out, err
	}
	all, next, err := s.ListIdentities(ctx, in.Pool, in.HideDisabled, p)
	for _, i := range all {
		out.Identities = append(out.Identities, outOf(i))
	}
	out.Next = next
	return out, err
}

type (
	deleteIn struct {
		IDs []string `json:"IdentityIdsToDelete"`
	}
	deleteOut struct {
		Left []Unprocessed `json:"UnprocessedIdentityIds"`
	}
)

// httpDeleteIdentities asks about the pool of each identity. Those that may not be deleted
// are told as such, each in an event of its own; that a request is not signed at all is an
// error.
func (s *Service) httpDeleteIdentities(ctx context.Context, r *http.Request, body []byte, in deleteIn) (deleteOut, error) {
	out, n := deleteOut{Left: []Unprocessed{}}, s.room.Of(ctx)
	var may []string
	for i, id := range in.IDs {
		if i == maxPage { // DeleteIdentities says what is wrong
			may = in.IDs
			break
		}
		n.About = "" // the one before
		on, err := s.ofIdentity(ctx, identityRef{id})
		if errors.Is(err, ErrInvalid) {
			return out, invalid(fmt.Sprintf("identityIdsToDelete.%d", i+1), id, "Member must be the id of an identity")
		}
		if err != nil {
			return out, err
		}
		err = s.allowed(ctx, r, body, "DeleteIdentities", on)
		switch {
		case errors.Is(err, auth.ErrDenied) && len(in.IDs) > 1:
			out.Left = append(out.Left, Unprocessed{id, "AccessDenied"})
			n.Tell(err)
		case err != nil:
			return out, err
		default:
			may = append(may, id)
		}
	}
	if len(may) == 0 && len(out.Left) > 0 {
		n.Quiet = true
		return out, nil
	}
	left, err := s.DeleteIdentities(ctx, may...)
	out.Left = append(out.Left, left...)
	return out, err
}
