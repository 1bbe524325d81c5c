package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/rules"
)

const (
	arnPrefix  = "arn:aws:iot:local:000000000000:"
	certID     = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	poolMember = "local:12345678-1234-1234-1234-123456789012"
	role       = "arn:aws:iam::000000000000:role/r"
	another    = "arn:aws:iam::000000000000:role/another"
)

// A right is what somebody needs for a request: its action on all of the resources, and to
// pass the roles. A resource that does not begin with "arn:" is of the hub's scope.
type right struct {
	operation string
	request   string // method and target
	body      string
	header    string // "name: value"
	on        []string
	roles     []string
}

// readRights reads testdata/rights.txt: operation, request, resources and roles, and what
// is in the request.
func readRights(t *testing.T) (all []right) {
	t.Helper()
	text, err := os.ReadFile("testdata/rights.txt")
	require.NoError(t, err)
	replace := strings.NewReplacer("CERT", certID, "IDENTITY", poolMember, "ANOTHER", another, "ROLE", role, "ARN:", arnPrefix)
	for line := range strings.Lines(replace.Replace(string(text))) {
		if line = strings.TrimSuffix(line, "\n"); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		require.GreaterOrEqual(t, len(f), 3, line)
		r := right{operation: f[0], request: f[1]}
		for on := range strings.FieldsSeq(f[2]) {
			if strings.HasPrefix(on, "arn:aws:iam:") {
				r.roles = append(r.roles, on)
			} else {
				r.on = append(r.on, on)
			}
		}
		for _, with := range f[3:] {
			if strings.HasPrefix(with, "{") {
				r.body = with
			} else {
				r.header = with
			}
		}
		all = append(all, r)
	}
	return all
}

// gate is an API whose only user signs with a key and has the policies it is given.
type gate struct {
	stage
	h      http.Handler
	user   string
	signer sigv4.Signer
	n      int
	mine   string // the policy that is attached
}

func newGate(t *testing.T, passRole bool) *gate {
	t.Helper()
	g := &gate{}
	g.stage = newStage(t, func(c *api.Config) {
		c.Authorizer, c.PassRole = c.Policies, passRole
		r, err := rules.New(rules.Config{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		c.Rules = r
	})
	ring, err := sigv4.NewKeyring(sigv4.KeyringConfig{Directory: g.directory})
	require.NoError(t, err)
	signed, err := sigv4.New(sigv4.Config{Keys: ring})
	require.NoError(t, err)
	g.cfg.Authenticator = auth.Chain(signed)
	g.h = api.New(g.cfg).Handler()
	key, secret, err := ring.Create(t.Context(), "joe")
	require.NoError(t, err)
	g.user = ring.ARN("joe")
	g.signer = sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: "iot"}
	return g
}

// give lets the user have these statements, and nothing else.
func (g *gate) give(t *testing.T, statements ...string) {
	t.Helper()
	if g.mine != "" {
		require.NoError(t, g.cfg.Policies.DetachPolicy(t.Context(), g.mine, g.user))
		require.NoError(t, g.cfg.Policies.DeletePolicy(t.Context(), g.mine))
		g.mine = ""
	}
	if len(statements) == 0 {
		return
	}
	g.n++
	g.mine = fmt.Sprint("p", g.n)
	_, err := g.cfg.Policies.CreatePolicy(t.Context(), g.mine, `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)
	require.NoError(t, err)
	require.NoError(t, g.cfg.Policies.AttachPolicy(t.Context(), g.mine, g.user))
}

func statement(effect, action string, resources ...string) string {
	for i, r := range resources {
		if r != "*" && !strings.HasPrefix(r, "arn:") {
			resources[i] = arnPrefix + r
		}
	}
	return fmt.Sprintf(`{"Effect":%q,"Action":%q,"Resource":["%s"]}`, effect, action, strings.Join(resources, `","`))
}

// grant are the statements that r needs, but for what is left out.
func (r *right) grant(without int) (all []string) {
	action := "iot:" + r.operation
	for i, on := range append(append([]string{}, r.on...), r.roles...) {
		if i >= len(r.on) {
			action = "iam:PassRole"
		}
		if i != without {
			all = append(all, statement("Allow", action, on))
		}
	}
	return all
}

// ask makes the request and reports whether it was let in.
func (g *gate) ask(t *testing.T, r *right) (in bool, text string) {
	t.Helper()
	method, target, _ := strings.Cut(r.request, " ")
	req := httptest.NewRequest(method, "http://hub.test"+target, strings.NewReader(r.body))
	if name, value, ok := strings.Cut(r.header, ": "); ok {
		req.Header.Set(name, value)
	}
	require.NoError(t, g.signer.Sign(req, []byte(r.body)))
	w := httptest.NewRecorder()
	g.h.ServeHTTP(w, req)
	require.NotContains(t, []int{405, 500}, w.Code, "%s: %s", r.request, w.Body)
	if w.Code == http.StatusForbidden {
		require.Contains(t, []string{"UnauthorizedException", "ForbiddenException"}, w.Header().Get("X-Amzn-Errortype"))
	}
	require.NotEqual(t, "UnknownOperationException", w.Header().Get("X-Amzn-Errortype"), r.request)
	return w.Code != http.StatusForbidden, w.Body.String()
}

// Nobody does anything without a policy that allows it, for just what it is done to, and
// no policy that allows one thing allows another. The resources are those that AWS
// documents.
func TestRights(t *testing.T) {
	t.Parallel()
	all := readRights(t)
	seen := map[string]bool{}
	for _, r := range all {
		seen[r.operation] = true
	}
	for op := range api.Operations() {
		require.True(t, seen[op.Name] || op.Name == "ConfirmTopicRuleDestination", "%s is missing in testdata/rights.txt", op.Name)
	}
	for i := range 4 { // a hub each
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			g := newGate(t, true)
			for n, r := range all {
				if n%4 == i {
					g.check(t, &r)
				}
			}
		})
	}
}

func (g *gate) check(t *testing.T, r *right) {
	t.Helper()
	refused := func(why string, statements ...string) {
		t.Helper()
		g.give(t, statements...)
		in, text := g.ask(t, r)
		require.False(t, in, "%s %s: %s: %s", r.operation, r.request, why, text)
	}
	all := "iot:" + r.operation
	refused("no policy")
	refused("another action", statement("Allow", all+"s", "*"), statement("Allow", "iot:Nothing", "*"))
	for i, on := range append(append([]string{}, r.on...), r.roles...) {
		others := r.grant(i)
		action := all
		if i >= len(r.on) {
			action = "iam:PassRole"
		}
		refused("without "+on, others...)
		refused("denied "+on, append(r.grant(-1), statement("Deny", action, on))...)
		refused("denied among all "+on, statement("Allow", "*", "*"), statement("Deny", action, on))
		if on != "*" {
			refused("another one than "+on, append(others, statement("Allow", action, on+"-"))...)
			refused("a part of "+on, append(others, statement("Allow", action, on[:len(on)-1]))...)
		}
	}
	g.give(t, r.grant(-1)...)
	in, text := g.ask(t, r)
	require.True(t, in, "%s %s: %s", r.operation, r.request, text)
	g.give(t)
}

// Unless the host wants it, who may make something that names a role need not pass the role.
func TestRights_WithoutPassRole(t *testing.T) {
	t.Parallel()
	n := 0
	for _, r := range readRights(t) {
		if len(r.roles) == 0 {
			continue
		}
		n++
		g := newGate(t, false)
		r.roles = nil
		g.give(t, r.grant(-1)...)
		in, text := g.ask(t, &r)
		require.True(t, in, "%s %s: %s", r.operation, r.request, text)
	}
	require.Positive(t, n)
}
