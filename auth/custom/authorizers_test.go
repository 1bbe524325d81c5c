package custom_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/custom"
)

func TestAuthorizers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, err := r.CreateAuthorizer(t.Context(), custom.NewAuthorizer{
		Name: "corp", FunctionARN: lambda, TokenKeyName: "token", TokenSigningPublicKeys: map[string]string{"k1": public(keys()[0])},
	})
	require.NoError(t, err)
	want := custom.Authorizer{
		Name: "corp", ARN: "arn:aws:iot:eu-central-1:123456789012:authorizer/corp", FunctionARN: lambda, TokenKeyName: "token",
		TokenSigningPublicKeys: map[string]string{"k1": public(keys()[0])}, Status: custom.Inactive, Created: noon, Modified: noon,
	}
	require.Equal(t, want, a)

	r.clock = noon.Add(time.Minute)
	want.Modified, want.Status, want.FunctionARN, want.TokenKeyName, want.EnableCachingForHTTP = r.clock, custom.Active, "login", "t2", true
	want.TokenSigningPublicKeys = map[string]string{"k2": public(keys()[1]), "k3": public(keys()[2])}
	a, err = r.UpdateAuthorizer(t.Context(), "corp", custom.Change{
		FunctionARN: pointer("login"), TokenKeyName: pointer("t2"), Status: pointer(custom.Active), EnableCachingForHTTP: pointer(true),
		TokenSigningPublicKeys: want.TokenSigningPublicKeys,
	})
	require.NoError(t, err)
	require.Equal(t, want, a)
	a, err = r.UpdateAuthorizer(t.Context(), "corp", custom.Change{})
	require.NoError(t, err)
	require.Equal(t, want, a, "what is nil stays")
	a, err = r.DescribeAuthorizer(t.Context(), "corp")
	require.NoError(t, err)
	require.Equal(t, want, a)

	_, err = r.CreateAuthorizer(t.Context(), custom.NewAuthorizer{Name: "corp", FunctionARN: lambda, SigningDisabled: true})
	failure(t, err, custom.ErrExists, "ResourceAlreadyExistsException", "the authorizer corp already exists")
	var e *custom.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, want.ARN, e.ResourceARN)

	failure(t, r.DeleteAuthorizer(t.Context(), "corp"), custom.ErrDeleteConflict, "DeleteConflictException", "is ACTIVE, expected INACTIVE")
	_, err = r.SetDefaultAuthorizer(t.Context(), "corp")
	require.NoError(t, err)
	_, err = r.UpdateAuthorizer(t.Context(), "corp", custom.Change{Status: pointer(custom.Inactive)})
	require.NoError(t, err)
	failure(t, r.DeleteAuthorizer(t.Context(), "corp"), custom.ErrDeleteConflict, "DeleteConflictException", "is the default authorizer")
	require.NoError(t, r.ClearDefaultAuthorizer(t.Context()))
	require.NoError(t, r.DeleteAuthorizer(t.Context(), "corp"))
	const notFound = "ResourceNotFoundException"
	failure(t, r.DeleteAuthorizer(t.Context(), "corp"), custom.ErrNotFound, notFound, "the authorizer corp does not exist")
	_, err = r.DescribeAuthorizer(t.Context(), "corp")
	failure(t, err, custom.ErrNotFound, notFound, "the authorizer corp does not exist")
	_, err = r.UpdateAuthorizer(t.Context(), "corp", custom.Change{})
	failure(t, err, custom.ErrNotFound, notFound, "the authorizer corp does not exist")
}

func TestDefaultAuthorizer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	none := func() {
		t.Helper()
		_, err := r.DescribeDefaultAuthorizer(t.Context())
		failure(t, err, custom.ErrNotFound, "ResourceNotFoundException", "there is no default authorizer")
		failure(t, r.ClearDefaultAuthorizer(t.Context()), custom.ErrNotFound, "ResourceNotFoundException", "there is no default authorizer")
	}
	none()
	_, err := r.SetDefaultAuthorizer(t.Context(), "a")
	failure(t, err, custom.ErrNotFound, "ResourceNotFoundException", "does not exist")
	r.create(t, "a", false)
	r.create(t, "b", false)
	r.create(t, "c", false, func(n *custom.NewAuthorizer) { n.Status = custom.Inactive })
	none()
	for range 2 {
		a, err := r.SetDefaultAuthorizer(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "a", a.Name)
	}
	_, err = r.SetDefaultAuthorizer(t.Context(), "b")
	failure(t, err, custom.ErrExists, "ResourceAlreadyExistsException", "the default authorizer is a already")
	_, err = r.SetDefaultAuthorizer(t.Context(), "c")
	failure(t, err, custom.ErrInvalid, "InvalidRequestException", "the authorizer c is INACTIVE")
	a, err := r.DescribeDefaultAuthorizer(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a", a.Name)
	require.NoError(t, r.ClearDefaultAuthorizer(t.Context()))
	none()
}

func TestAuthorizersRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	curvePublic, err := x509.MarshalPKIXPublicKey(&curve.PublicKey)
	require.NoError(t, err)
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	good := public(keys()[0])
	for _, c := range []struct {
		name   string
		change func(*custom.NewAuthorizer)
		field  string
		want   string
	}{
		{"no name", func(n *custom.NewAuthorizer) { n.Name = "" }, "authorizerName", "Value '' at 'authorizerName' failed to satisfy constraint"},
		{"long name", func(n *custom.NewAuthorizer) { n.Name = strings.Repeat("a", 129) }, "authorizerName", "less than or equal to 128"},
		{"name", func(n *custom.NewAuthorizer) { n.Name = "a/b" }, "authorizerName", "Value 'a/b'"},
		{"no function", func(n *custom.NewAuthorizer) { n.FunctionARN = "" }, "authorizerFunctionArn", "the ARN or the name of a function"},
		{"function", func(n *custom.NewAuthorizer) { n.FunctionARN = "logout" }, "authorizerFunctionArn", "Value 'logout'"},
		{"long function", func(n *custom.NewAuthorizer) { n.FunctionARN = lambda + strings.Repeat("a", 2048) }, "authorizerFunctionArn", "the ARN"},
		{"no token key", func(n *custom.NewAuthorizer) { n.TokenKeyName = "" }, "tokenKeyName", "greater than or equal to 1"},
		{"token key", func(n *custom.NewAuthorizer) { n.TokenKeyName = "a b" }, "tokenKeyName", "Value 'a b'"},
		{"status", func(n *custom.NewAuthorizer) { n.Status = "active" }, "status", "[ACTIVE, INACTIVE]"},
		{"no keys", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys = nil }, "tokenSigningPublicKeys", "1 to 2 keys"},
		{"three keys", func(n *custom.NewAuthorizer) {
			n.TokenSigningPublicKeys = map[string]string{"a": good, "b": good, "c": good}
		}, "tokenSigningPublicKeys", "Value '3 keys'"},
		{"name of a key", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys = map[string]string{"a b": good} }, "tokenSigningPublicKeys", "Value 'a b'"},
		{"no PEM", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys["k1"] = "key" }, "tokenSigningPublicKeys.k1", "not one PEM block"},
		{"two blocks", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys["k1"] = good + good }, "tokenSigningPublicKeys.k1", "not one PEM block"},
		{"certificate", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys["k1"] = block("CERTIFICATE", nil) }, "tokenSigningPublicKeys.k1", `the PEM block is "CERTIFICATE"`},
		{"broken key", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys["k1"] = block("PUBLIC KEY", []byte("x")) }, "tokenSigningPublicKeys.k1", "asn1"},
		{"small key", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys["k1"] = public(small) }, "tokenSigningPublicKeys.k1", "the key has 1024 bits, expected 2048 to 8192"},
		{"curve", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys["k1"] = block("PUBLIC KEY", curvePublic) }, "tokenSigningPublicKeys.k1", "the key is a *ecdsa.PublicKey"},
		{"large key", func(n *custom.NewAuthorizer) { n.TokenSigningPublicKeys["k1"] = good + strings.Repeat("\n", 5120) }, "tokenSigningPublicKeys.k1", "expected at most 5120"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := custom.NewAuthorizer{Name: "a", FunctionARN: lambda, TokenKeyName: "token", TokenSigningPublicKeys: map[string]string{"k1": good}}
			c.change(&n)
			_, err := r.CreateAuthorizer(t.Context(), n)
			var e *custom.Error
			require.ErrorAs(t, err, &e)
			require.ErrorIs(t, err, custom.ErrInvalid)
			require.Equal(t, c.field, e.Field)
			text := err.Error()
			if e.Cause != nil {
				text += e.Cause.Error()
			}
			require.Contains(t, text, c.want)
		})
	}
	r.create(t, "signed", true)
	for _, c := range []custom.Change{
		{Status: pointer("")},
		{TokenKeyName: pointer("")},
		{FunctionARN: pointer("x")},
		{TokenSigningPublicKeys: map[string]string{}},
	} {
		_, err := r.UpdateAuthorizer(t.Context(), "signed", c)
		require.ErrorIs(t, err, custom.ErrInvalid)
	}
	pkcs1 := block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&keys()[1].PublicKey))
	_, err = r.UpdateAuthorizer(t.Context(), "signed", custom.Change{TokenSigningPublicKeys: map[string]string{"k": pkcs1}})
	require.NoError(t, err, "the other form of a key")
	_, err = r.Authenticate(t.Context(), get(t, "http://hub.test/", nameHeader, "signed", "token", "t", signatureHeader, sign(keys()[1], "t")))
	require.NoError(t, err)
}

func TestListAuthorizers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, n := range []string{"c", "a", "e", "b", "d"} {
		r.create(t, n, false, func(a *custom.NewAuthorizer) {
			if n == "b" || n == "e" {
				a.Status = custom.Inactive
			}
		})
	}
	list := func(p custom.Page) (pages string) {
		t.Helper()
		for range 9 {
			page, next, err := r.ListAuthorizers(t.Context(), p)
			require.NoError(t, err)
			for _, a := range page {
				pages += a.Name
			}
			if p.Marker = next; next == "" {
				return pages
			}
			pages += "|"
		}
		return "for ever"
	}
	require.Equal(t, "abcde", list(custom.Page{}))
	require.Equal(t, "ab|cd|e", list(custom.Page{Size: 2}))
	require.Equal(t, "abcde", list(custom.Page{Size: 5}))
	require.Equal(t, "ed|cb|a", list(custom.Page{Size: 2, Descending: true}))
	require.Equal(t, "ac|d", list(custom.Page{Size: 2, Status: custom.Active}))
	require.Equal(t, "eb", list(custom.Page{Status: custom.Inactive, Descending: true}))
	for _, c := range []struct {
		page custom.Page
		want string
	}{
		{custom.Page{Size: -1}, "Value '-1' at 'pageSize'"},
		{custom.Page{Size: 251}, "between 1 and 250"},
		{custom.Page{Marker: "!"}, "Value '!' at 'marker'"},
		{custom.Page{Marker: "Lw"}, "Value 'Lw' at 'marker'"},
		{custom.Page{Status: "x"}, "Value 'x' at 'status'"},
	} {
		_, _, err := r.ListAuthorizers(t.Context(), c.page)
		failure(t, err, custom.ErrInvalid, "InvalidRequestException", c.want)
	}
}

// TestAuthorizersRace makes and deletes authorizers at once: there are never more than
// allowed.
func TestAuthorizersRace(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *custom.Config) { c.MaxAuthorizers = 3 })
	var made, limited atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("a%d", w)
			for range 20 {
				_, err := r.CreateAuthorizer(t.Context(), custom.NewAuthorizer{Name: name, FunctionARN: lambda, SigningDisabled: true})
				if errors.Is(err, custom.ErrLimitExceeded) {
					limited.Add(1)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				made.Add(1)
				if list, _, err := r.ListAuthorizers(t.Context(), custom.Page{}); err != nil || len(list) > 3 {
					t.Error(len(list), err)
				}
				if err := r.DeleteAuthorizer(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Positive(t, made.Load())
	for _, n := range []string{"a", "b", "c"} {
		r.create(t, n, false)
	}
	_, err := r.CreateAuthorizer(t.Context(), custom.NewAuthorizer{Name: "d", FunctionARN: lambda, SigningDisabled: true})
	failure(t, err, custom.ErrLimitExceeded, "LimitExceededException", "there are 3 authorizers, expected at most 3")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	for _, c := range []struct {
		cfg  custom.Config
		want string
	}{
		{custom.Config{}, "Config.Directory is nil"},
		{custom.Config{Directory: dir, Scope: custom.Scope{Region: "a b"}}, `Config.Scope.Region is "a b"`},
		{custom.Config{Directory: dir, Functions: map[string]custom.Function{"f": nil}}, `Config.Functions["f"] is nil`},
		{custom.Config{Directory: dir, Timeout: 2 * time.Minute}, "Config.Timeout is 2m0s, expected 1ms to 1m0s"},
		{custom.Config{Directory: dir, Parallel: -1}, "Config.Parallel is -1"},
		{custom.Config{Directory: dir, MaxAuthorizers: -1}, "Config.MaxAuthorizers is -1"},
		{custom.Config{Directory: dir, CacheMost: -1}, "Config.CacheMost is -1"},
	} {
		_, err := custom.New(c.cfg)
		require.ErrorContains(t, err, c.want)
	}
	for _, c := range []struct {
		cfg  custom.EndpointConfig
		want string
	}{
		{custom.EndpointConfig{}, `EndpointConfig.URL is "", expected https://`},
		{custom.EndpointConfig{URL: "http://a.test/"}, `EndpointConfig.URL is "http://a.test/"`},
		{custom.EndpointConfig{URL: "ftp://a.test/", AllowPlain: true}, `EndpointConfig.URL is "ftp://a.test/"`},
		{custom.EndpointConfig{URL: "https://a.test/", MaxResponse: -1}, "EndpointConfig.MaxResponse is -1"},
	} {
		_, err := custom.NewEndpoint(c.cfg)
		require.ErrorContains(t, err, c.want)
	}
}

type failing struct{ auth.Directory }

func (failing) Get(context.Context, string) (auth.Record, error) {
	return auth.Record{}, io.ErrClosedPipe
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *custom.Config) { c.Directory = failing{} })
	for _, name := range []string{"", "?" + nameHeader + "=a"} {
		_, err := r.Authenticate(t.Context(), connect("alice"+name, ""))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.NotErrorIs(t, err, auth.ErrNotAuthorized)
	}
}
