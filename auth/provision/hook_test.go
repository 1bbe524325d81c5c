package provision_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

// hooked is a rig whose template "fleet" has a hook.
func hooked(t *testing.T, hook provision.Hook, change ...func(*provision.Config)) *rig {
	t.Helper()
	r := newRig(t, append(change, func(c *provision.Config) { c.Hooks = map[string]provision.Hook{"check": hook} })...)
	r.fleet(t, func(in *provision.CreateTemplateInput) {
		in.Hook = &provision.TemplateHook{TargetARN: "arn:aws:lambda:eu-west-1:123456789012:function:check"}
	})
	return r
}

func TestHooks(t *testing.T) {
	t.Parallel()
	var got provision.HookRequest
	r := hooked(t, func(_ context.Context, in provision.HookRequest) (provision.HookAnswer, error) {
		got = in
		in.Parameters["Serial"] = "its own copy"
		return provision.HookAnswer{AllowProvisioning: true, ParameterOverrides: map[string]string{
			"Site": "south", "AWS::IoT::Certificate::Id": strings.Repeat("0", 64),
		}}, nil
	})
	c := r.create(t, claimant)
	ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1", "Site": "north", "AWS::IoT::Certificate::Id": "x", "more": ""}`))
	require.True(t, ok, answer)
	require.JSONEq(t, `{"deviceConfiguration": {"interval": "60", "site": "south"}, "thingName": "pump-1"}`, answer)
	require.Equal(t, []string{"g2"}, r.things["pump-1"].Groups)
	require.Equal(t, provision.Active, r.status(c.ID))
	require.Equal(t, provision.HookRequest{
		ClaimCertificateID: claimant.Principal, CertificateID: c.ID, CertificatePEM: c.PEM, TemplateARN: r.TemplateARN("fleet"),
		ClientID: "new-device", Parameters: map[string]string{"Serial": "its own copy", "Site": "north", "more": ""},
	}, got)
}

func TestRefusalsOfHooks(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]provision.Hook{
		"no": func(context.Context, provision.HookRequest) (provision.HookAnswer, error) {
			return provision.HookAnswer{}, nil
		},
		"no, with overrides": func(context.Context, provision.HookRequest) (provision.HookAnswer, error) {
			return provision.HookAnswer{ParameterOverrides: map[string]string{"Site": "north"}}, nil
		},
		"an error beside yes": func(context.Context, provision.HookRequest) (provision.HookAnswer, error) {
			return provision.HookAnswer{AllowProvisioning: true}, errBroken
		},
		"a panic": func(context.Context, provision.HookRequest) (provision.HookAnswer, error) { panic("hook") },
	} {
		r := hooked(t, hook)
		c := r.create(t, claimant)
		before := r.state()
		ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
		require.False(t, ok, name)
		require.Equal(t, rejection{403, "AccessDenied", "the pre-provisioning hook does not allow it"}, readRejection(t, answer), name)
		require.Equal(t, before, r.state())
	}
}

func TestHooksThatTakeTooLong(t *testing.T) {
	t.Parallel()
	for i := range 20 { // which of two things that happen at once is seen first is chance
		obedient := i > 0
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			r := hooked(t, func(ctx context.Context, _ provision.HookRequest) (provision.HookAnswer, error) {
				if obedient {
					<-ctx.Done()
				} else {
					<-release
				}
				return provision.HookAnswer{AllowProvisioning: true}, nil
			}, func(c *provision.Config) { c.Limits.Concurrent = 1 })
			c := r.create(t, claimant)
			before, start := r.state(), time.Now()
			ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
			require.False(t, ok)
			require.Equal(t, "AccessDenied", readRejection(t, answer).Code)
			require.Equal(t, before, r.state())
			require.Equal(t, 5*time.Second, time.Since(start))
			if !obedient { // it keeps its place
				ok, answer = r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
				require.False(t, ok)
				require.Equal(t, rejection{429, "Throttling", "too many pre-provisioning hooks are at work"}, readRejection(t, answer))
			}
			close(release)
			synctest.Wait()
		})
	}
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := hooked(t, func(context.Context, provision.HookRequest) (provision.HookAnswer, error) {
			<-release
			return provision.HookAnswer{AllowProvisioning: true}, nil
		}, func(c *provision.Config) { c.Limits.Concurrent = 1 })
		c := r.create(t, claimant)
		done := make(chan bool)
		go func() {
			done <- r.outcome(t, provision.Requester{Principal: claimant.Principal, ClientID: "first"}, provisionTopic+"/json", provisionRequest(c.Token, `{"Serial": "1"}`))
		}()
		synctest.Wait()
		ok, answer := r.ask(t, claimant, "$aws/certificates/create", "json", "")
		require.False(t, ok)
		require.Equal(t, rejection{429, "Throttling", "too many requests are being worked, try again later"}, readRejection(t, answer))
		close(release)
		require.True(t, <-done)
		r.messages = nil
		r.create(t, claimant)
	})
}

// A hook that is configured no more refuses.
func TestAHookThatIsGone(t *testing.T) {
	t.Parallel()
	r := hooked(t, allow)
	other := newRig(t, func(c *provision.Config) {
		c.Directory, c.Certificates, c.Things, c.Policies = r.directory, certificates{r.world}, things{r.world}, policies{r.world}
	})
	c := r.create(t, claimant)
	ok, answer := other.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
	require.False(t, ok)
	require.Equal(t, "AccessDenied", readRejection(t, answer).Code)
}

func TestOverridesThatDoNotFit(t *testing.T) {
	t.Parallel()
	overrides := map[string]string{"Serial": strings.Repeat("x", 65<<10)}
	r := hooked(t, func(context.Context, provision.HookRequest) (provision.HookAnswer, error) {
		return provision.HookAnswer{AllowProvisioning: true, ParameterOverrides: overrides}, nil
	})
	c := r.create(t, claimant)
	ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{}`))
	require.False(t, ok)
	require.Equal(t, "InvalidParameters", readRejection(t, answer).Code)
	overrides = map[string]string{"Serial": "9"} // which the device did not send
	ok, answer = r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{}`))
	require.True(t, ok, answer)
	require.Contains(t, r.things, "pump-9")
}

// What a hook says is not the device's word.
func TestAHookMayWidenAPolicy(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *provision.Config) {
		c.Hooks = map[string]provision.Hook{"check": func(context.Context, provision.HookRequest) (provision.HookAnswer, error) {
			return provision.HookAnswer{AllowProvisioning: true, ParameterOverrides: map[string]string{"P": "topic/*"}}, nil
		}}
	})
	r.fleet(t, func(in *provision.CreateTemplateInput) {
		in.Body, in.Hook = withDocument(`{"Resource": {"Ref": "P"}}`), &provision.TemplateHook{TargetARN: "check"}
	})
	c := r.create(t, claimant)
	ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"P": "?"}`))
	require.True(t, ok, answer)
	require.Len(t, r.policies, 2)
	for name, document := range r.policies {
		if name != "pumps" {
			require.JSONEq(t, `{"Resource": "topic/*"}`, document)
		}
	}
}

func TestHTTPHook(t *testing.T) {
	t.Parallel()
	var status int
	var answer string
	var got map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/elsewhere" {
			_, _ = io.WriteString(w, `{"allowProvisioning": true}`)
			return
		}
		got = nil
		if json.NewDecoder(req.Body).Decode(&got) != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
			t.Error("the request is not as it should be")
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	hook := provision.HTTPHook(server.Client(), server.URL)
	in := provision.HookRequest{ClaimCertificateID: "a", CertificateID: "b", CertificatePEM: "c", TemplateARN: "d", ClientID: "e", Parameters: map[string]string{"f": "g"}}

	status, answer = 200, `{"allowProvisioning": true, "parameterOverrides": {"x": "y"}, "more": [1]}`
	out, err := hook(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, provision.HookAnswer{AllowProvisioning: true, ParameterOverrides: map[string]string{"x": "y"}}, out)
	require.Equal(t, map[string]any{"claimCertificateId": "a", "certificateId": "b", "certificatePem": "c", "templateArn": "d", "clientId": "e", "parameters": map[string]any{"f": "g"}}, got)

	for _, c := range []struct {
		status  int
		answer  string
		message string // empty: a refusal without an error
	}{
		{200, `{"allowProvisioning": false}`, ""},
		{200, `{"allowProvisioning": true, "parameterOverrides": null}`, "allowed"},
		{200, `{"allowProvisioning": "true"}`, "no allowProvisioning"},
		{200, `{"allowProvisioning": 1}`, "no allowProvisioning"},
		{200, `{"AllowProvisioning": true}`, "no allowProvisioning"},
		{200, `{"allowProvisioning": false, "allowProvisioning": true}`, "two members"},
		{200, `{"allowProvisioning": true, "parameterOverrides": {"x": 1}}`, "parameterOverrides.x is 1, expected text"},
		{200, `{"allowProvisioning": true, "parameterOverrides": []}`, "an object of texts"},
		{200, `true`, "expected an object"},
		{200, ``, "not JSON"},
		{200, `{"allowProvisioning": true}` + strings.Repeat(" ", 64<<10), "more than 65536 bytes"},
		{201, `{"allowProvisioning": true}`, "status 201"},
		{500, `{"allowProvisioning": true}`, "status 500"},
		{302, `{"allowProvisioning": true}`, "status 302"},
	} {
		status, answer = c.status, c.answer
		out, err := hook(t.Context(), in)
		switch c.message {
		case "":
			require.NoError(t, err)
			require.False(t, out.AllowProvisioning)
		case "allowed":
			require.NoError(t, err)
			require.True(t, out.AllowProvisioning)
		default:
			require.ErrorContains(t, err, c.message, c.answer)
		}
	}
	_, err = provision.HTTPHook(nil, "http://[::1]:namedport")(t.Context(), in)
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = hook(ctx, in)
	require.ErrorIs(t, err, context.Canceled)
}
