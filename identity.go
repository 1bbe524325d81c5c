package thinghub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/sts"
	"github.com/thinghub/thinghub/auth/userpool"
)

// IdentityPools returns the pools in which logins become identities, and identities get
// temporary credentials.
func (h *Hub) IdentityPools() *identitypool.Service { return h.principals.pools }

// UserPools returns the pools of people who sign up and sign in.
func (h *Hub) UserPools() *userpool.Service { return h.principals.people }

// STS returns who gives temporary credentials for roles.
func (h *Hub) STS() *sts.Service { return h.principals.sts }

// Identity returns the handler of logins: user pools (cognito-idp), identity pools
// (cognito-identity) and temporary credentials (sts) in the shapes of AWS, all at "/", and
// what clients of OpenID Connect look for below /{pool}/.well-known/ and /.well-known/.
// SDKs made for AWS work when their endpoint is set. It is in Hub.Handler too.
func (h *Hub) Identity() http.Handler {
	p := &h.principals
	people, pools, credentials := p.people.Handler(), p.pools.Handler(), p.sts.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		switch {
		case strings.HasPrefix(r.URL.Path, "/.well-known/"):
			p.pools.Discovery(baseOf(r)).ServeHTTP(w, r)
		case strings.Contains(r.URL.Path, "/.well-known/"), strings.HasPrefix(target, "AWSCognitoIdentityProviderService."):
			people.ServeHTTP(w, r)
		case strings.HasPrefix(target, "AWSCognitoIdentityService."):
			pools.ServeHTTP(w, r)
		case r.Method == http.MethodOptions: // of a browser, which sends the target with the request alone
			people.ServeHTTP(w, r)
		default:
			credentials.ServeHTTP(w, r)
		}
	})
}

// baseOf is the address that a request was sent to.
func baseOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// isIdentity reports whether a request is one for Identity. alone says that there is
// nobody else whose it could be.
func isIdentity(r *http.Request, alone bool) bool {
	if !alone {
		return r.URL.Path == "/" && (strings.HasPrefix(r.Header.Get("X-Amz-Target"), "AWSCognitoIdentity") ||
			r.Method == http.MethodOptions && strings.Contains(strings.ToLower(r.Header.Get("Access-Control-Request-Headers")), "x-amz-target"))
	}
	if strings.HasSuffix(r.URL.Path, "/.well-known/jwks.json") || strings.HasSuffix(r.URL.Path, "/.well-known/jwks_uri") ||
		strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration") {
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	return r.URL.Path == "/" && (r.Method == http.MethodPost || r.Method == http.MethodOptions)
}

// joinIdentity makes the rooms of logins. The keys that requests are signed with, which it
// returns, are those that are kept and those of identities that are good still.
func (h *Hub) joinIdentity(cfg *Config) error {
	p := &h.principals
	people, err := cfg.userPools(h)
	if err != nil {
		return err
	}
	if p.people, err = userpool.New(people); err != nil {
		return err
	}
	pools, err := cfg.identityPools(h)
	if err != nil {
		return err
	}
	if p.pools, err = identitypool.New(pools); err != nil {
		return err
	}
	credentials, err := cfg.sts(h)
	if err != nil {
		return err
	}
	p.sts, err = sts.New(credentials)
	return err
}

// loginProvider finds the verifier of a login provider that the host did not name: a user
// pool of the hub's.
func (h *Hub) loginProvider(ctx context.Context, name string) (auth.TokenVerifier, error) {
	people := h.principals.people
	_, prefix, _ := strings.Cut(people.IssuerOf(""), "://")
	pool, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return nil, nil //nolint:nilnil // there is none: the contract
	}
	_, err := people.DescribeUserPool(ctx, userpool.PoolInput{UserPoolID: pool})
	if errors.Is(err, userpool.ErrNotFound) || errors.Is(err, userpool.ErrInvalid) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	return people.Pool(pool), nil
}

// signedBy decides about an operation of logins that takes a signature.
func (h *Hub) signedBy(ctx context.Context, r *http.Request, body []byte, action auth.Action, resource string) (*auth.Identity, error) {
	c := &auth.Credentials{Request: r, TLS: r.TLS, Body: func() ([]byte, error) { return body, nil }}
	if a, err := net.ResolveTCPAddr("tcp", r.RemoteAddr); err == nil {
		c.RemoteAddr = a
	}
	id, err := h.principals.signed.Authenticate(ctx, c)
	if err != nil {
		return nil, err
	}
	if action == "sts:GetCallerIdentity" {
		return id, nil // which is for everybody who has a key
	}
	conn := auth.Conn{RemoteAddr: c.RemoteAddr}
	if r.TLS != nil {
		conn.Secure, conn.ServerName = true, r.TLS.ServerName
	}
	return id, h.authorizer.Authorize(ctx, id, &auth.Request{Action: action, Resource: resource, Conn: conn})
}

// policyByARN returns a policy that narrows credentials.
func (h *Hub) policyByARN(ctx context.Context, arn string) (auth.Document, error) {
	p := h.principals.access
	if p == nil {
		return auth.Document{}, fmt.Errorf("%w: policy %s", auth.ErrNotFound, arn)
	}
	name, ok := strings.CutPrefix(arn, p.PolicyARN(""))
	if !ok {
		return auth.Document{}, fmt.Errorf("%w: policy %s", auth.ErrNotFound, arn)
	}
	v, err := p.GetPolicy(ctx, name)
	if errors.Is(err, access.ErrNotFound) || errors.Is(err, access.ErrInvalid) {
		return auth.Document{}, fmt.Errorf("%w: policy %s", auth.ErrNotFound, arn)
	}
	return auth.Document{Name: name, Text: v.Document}, err
}
