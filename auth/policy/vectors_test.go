package policy_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// A vector is a case of testdata/vectors.json.
type vector struct {
	ID            string            `json:"id"`
	Policies      []json.RawMessage `json:"policies"`
	GroupPolicies []json.RawMessage `json:"groupPolicies"`
	RolePolicies  []json.RawMessage `json:"rolePolicies"`
	Context       struct {
		ClientID      string              `json:"clientId"`
		Protocol      string              `json:"protocol"`
		ThingName     string              `json:"thingName"`
		ThingTypeName string              `json:"thingTypeName"`
		Attributes    map[string]string   `json:"attributes"`
		IsAttached    bool                `json:"isAttached"`
		CertificateID string              `json:"certificateId"`
		Certificate   map[string][]string `json:"certificate"`
		SourceIP      string              `json:"sourceIp"`
		DomainName    string              `json:"domainName"`
		Cognito       *struct {
			IdentityID    string `json:"identityId"`
			PoolID        string `json:"poolId"`
			Authenticated bool   `json:"authenticated"`
		} `json:"cognito"`
		ConnectAttributes []string            `json:"connectAttributes"`
		LastWillTopic     string              `json:"lastWillTopic"`
		CurrentTime       string              `json:"currentTime"`
		Extra             map[string][]string `json:"extra"`
	} `json:"context"`
	Request struct {
		Action   string `json:"action"`
		Resource string `json:"resource"`
		Retain   bool   `json:"retain"`
	} `json:"request"`
	Want      string `json:"want"`
	Malformed bool   `json:"malformed"`
	Why       string `json:"why"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var list []vector
	require.NoError(t, json.Unmarshal(text, &list))
	require.NotEmpty(t, list)
	return list
}

func (v *vector) facts(t testing.TB) *policy.Facts {
	t.Helper()
	c := &v.Context
	f := &policy.Facts{
		ClientID: c.ClientID, HTTP: c.Protocol == "http",
		Thing:         policy.Thing{Name: c.ThingName, Type: c.ThingTypeName, Attributes: c.Attributes, Attached: c.IsAttached},
		CertificateID: c.CertificateID, Certificate: c.Certificate, DomainName: c.DomainName,
		ConnectAttributes: c.ConnectAttributes, LastWillTopic: c.LastWillTopic, Extra: c.Extra,
	}
	if c.SourceIP != "" {
		f.SourceIP = netip.MustParseAddr(c.SourceIP)
	}
	if c.Cognito != nil {
		f.Cognito = &policy.Cognito{IdentityID: c.Cognito.IdentityID, PoolID: c.Cognito.PoolID, Authenticated: c.Cognito.Authenticated}
	}
	if c.CurrentTime != "" {
		now, err := time.Parse(time.RFC3339, c.CurrentTime)
		require.NoError(t, err)
		f.Now = func() time.Time { return now }
	}
	return f
}

// named parses documents; one that is malformed stays as a broken policy.
func named(name string, docs []json.RawMessage) []policy.Named {
	list := make([]policy.Named, len(docs))
	for i, text := range docs {
		doc, err := policy.Parse(text)
		list[i] = policy.Named{Name: name, Doc: doc}
		if err != nil {
			list[i] = policy.Broken(name, err)
		}
	}
	return list
}

// scopeOf is the scope a resource is in, testScope for "*".
func scopeOf(resource string) string {
	parts := strings.SplitAfterN(resource, ":", 6)
	if len(parts) < 6 {
		return testScope
	}
	return strings.Join(parts[:5], "")
}

const testScope = "arn:aws:iot:us-east-1:123456789012:"

// bind builds what decides about the vector, and what compiling said.
func (v *vector) bind(t testing.TB) (*policy.Bound, error) {
	f := v.facts(t)
	docs := named("own", v.Policies)
	if f.OwnThing() {
		docs = append(docs, named("group", v.GroupPolicies)...)
	}
	own, err := policy.Compile(scopeOf(v.Request.Resource), docs...)
	if f.Cognito == nil {
		return own.Bind(f), err
	}
	role, roleErr := policy.Compile(scopeOf(v.Request.Resource), named("role", v.RolePolicies)...)
	if !f.Cognito.Authenticated {
		return role.Bind(f), roleErr
	}
	if err == nil {
		err = roleErr
	}
	return policy.AndIdentity(role.Bind(f), own.Bind(f)), err
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			b, err := v.bind(t)
			if v.Malformed {
				require.ErrorIs(t, err, policy.ErrMalformed, v.Why)
			} else {
				require.NoError(t, err, v.Why)
			}
			d := b.Decide(v.Request.Action, v.Request.Resource)
			allowed := d.Allowed()
			if v.Request.Retain {
				allowed = allowed && b.Decide(policy.ActionRetainPublish, v.Request.Resource).Allowed()
				require.Equal(t, allowed, b.PublishRetained(strings.TrimPrefix(v.Request.Resource, testScope+"topic/")).Allowed())
			}
			require.Equal(t, v.Want == "allow", allowed, "%s\n%s", v.Why, b.Explain(v.Request.Action, v.Request.Resource).Reason())

			// The way of every statement comes to the same.
			e := b.Explain(v.Request.Action, v.Request.Resource)
			require.Equal(t, d, e.Decision)
			require.NotEmpty(t, e.Reason())
			if !v.Malformed {
				require.Equal(t, d.Outcome, outcomeOf(e), v.Why)
			}
		})
	}
}

// outcomeOf is the outcome that the findings add up to.
func outcomeOf(e *policy.Explanation) policy.Outcome {
	allowed := make([]bool, e.Halves)
	for _, f := range e.Findings {
		if f.Applies && f.Statement.Effect == policy.Deny {
			return policy.ExplicitDeny
		}
		allowed[f.Half] = allowed[f.Half] || f.Applies
	}
	if len(allowed) == 0 || slices.Contains(allowed, false) {
		return policy.ImplicitDeny
	}
	return policy.Allowed
}
