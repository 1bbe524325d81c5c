package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/policy"
)

var policyOperations = []operation{
	{name: "CreatePolicy", method: http.MethodPost, path: "/policies/{policyName}", errors: usual("MalformedPolicy", "ResourceAlreadyExists"), handle: createPolicy},
	{name: "GetPolicy", method: http.MethodGet, path: "/policies/{policyName}", errors: usual("ResourceNotFound"), handle: getPolicy},
	{name: "DeletePolicy", method: http.MethodDelete, path: "/policies/{policyName}", errors: usual("DeleteConflict", "ResourceNotFound"), handle: deletePolicy},
	{name: "ListPolicies", method: http.MethodGet, path: "/policies", errors: usual(), handle: listPolicies},
	{name: "CreatePolicyVersion", method: http.MethodPost, path: "/policies/{policyName}/version", errors: usual("MalformedPolicy", "ResourceNotFound", "VersionsLimitExceeded"), handle: createPolicyVersion},
	{name: "ListPolicyVersions", method: http.MethodGet, path: "/policies/{policyName}/version", errors: usual("ResourceNotFound"), handle: listPolicyVersions},
	{name: "GetPolicyVersion", method: http.MethodGet, path: "/policies/{policyName}/version/{policyVersionId}", errors: usual("ResourceNotFound"), handle: getPolicyVersion},
	{name: "SetDefaultPolicyVersion", method: http.MethodPatch, path: "/policies/{policyName}/version/{policyVersionId}", errors: usual("ResourceNotFound"), handle: setDefaultPolicyVersion},
	{name: "DeletePolicyVersion", method: http.MethodDelete, path: "/policies/{policyName}/version/{policyVersionId}", errors: usual("DeleteConflict", "ResourceNotFound"), handle: deletePolicyVersion},
	{name: "AttachPolicy", method: http.MethodPut, path: "/target-policies/{policyName}", errors: usual("LimitExceeded", "ResourceNotFound"), handle: attachPolicy, on: ofBody[targetBody]},
	{name: "DetachPolicy", method: http.MethodPost, path: "/target-policies/{policyName}", errors: usual("LimitExceeded"), handle: detachPolicy, on: ofBody[targetBody]},
	{name: "ListAttachedPolicies", method: http.MethodPost, path: "/attached-policies/{target}", errors: usual("LimitExceeded", "ResourceNotFound"), handle: listAttachedPolicies, on: func(c *call) []string { return []string{whole(c.path("target"))} }},
	{name: "ListTargetsForPolicy", method: http.MethodPost, path: "/policy-targets/{policyName}", errors: usual("LimitExceeded", "ResourceNotFound"), handle: listTargets},
	{name: "AttachPrincipalPolicy", method: http.MethodPut, path: "/principal-policies/{policyName}", errors: usual("LimitExceeded", "ResourceNotFound"), handle: attachPrincipalPolicy, on: ofIoTPrincipal},
	{name: "DetachPrincipalPolicy", method: http.MethodDelete, path: "/principal-policies/{policyName}", errors: usual("ResourceNotFound"), handle: detachPrincipalPolicy, on: ofIoTPrincipal},
	{name: "ListPrincipalPolicies", method: http.MethodGet, path: "/principal-policies", errors: usual("ResourceNotFound"), handle: listPrincipalPolicies, on: ofIoTPrincipal},
	{name: "ListPolicyPrincipals", method: http.MethodGet, path: "/policy-principals", errors: usual("ResourceNotFound"), handle: listPolicyPrincipals, on: thePolicy},
	{name: "GetEffectivePolicies", method: http.MethodPost, path: "/effective-policies", errors: usual("LimitExceeded", "ResourceNotFound"), handle: effectivePolicies, on: ofBody[principalBody]},
	{name: "TestAuthorization", method: http.MethodPost, path: "/test-authorization", errors: usual("LimitExceeded", "ResourceNotFound"), handle: testAuthorization, on: ofBody[principalBody]},
}

type targetBody struct {
	Target string `json:"target"`
}

// resources is the target, as at AWS: which policy it is does not count.
func (b targetBody) resources() []string { return arns(b.Target) }

func ofIoTPrincipal(c *call) []string { return []string{whole(c.r.Header.Get("X-Amzn-Iot-Principal"))} }

// thePolicy is that of the header.
func thePolicy(c *call) []string {
	return append(named("policy/", c.r.Header.Get("X-Amzn-Iot-Policy")), "*")[:1]
}

// A principalBody says whose rights are asked for.
type principalBody struct {
	Principal string `json:"principal"`
	Pool      string `json:"cognitoIdentityPoolId"`
}

func (b principalBody) resources() []string { return arns(b.Principal) }

type documentBody struct {
	Document string `json:"policyDocument"`
	Tags     []tag  `json:"tags"`
}

func createPolicy(c *call) error {
	in, err := input[documentBody](c)
	if err != nil {
		return err
	}
	if err := required("policyDocument", in.Document); err != nil {
		return err
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return err
	}
	name := c.path("policyName")
	p, err := c.cfg.Policies.CreatePolicy(c.r.Context(), name, in.Document)
	if err != nil {
		return err
	}
	err = c.tagNew(p.ARN, tags, func(ctx context.Context) error { return c.cfg.Policies.DeletePolicy(ctx, name) })
	if err != nil {
		return err
	}
	c.warn(p.Warnings())
	return c.answer.json(struct {
		Name     string `json:"policyName"`
		ARN      string `json:"policyArn"`
		Document string `json:"policyDocument"`
		Version  string `json:"policyVersionId"`
	}{p.Name, p.ARN, p.Document, p.DefaultVersion})
}

// maxWarnings bounds the header of an answer; the log has all of them.
const maxWarnings = 10

// warn tells of traps in a policy. The body is AWS's, so they stand in the header, one in
// each field, in ASCII.
func (c *call) warn(all []policy.Warning) {
	for _, w := range all[:min(len(all), maxWarnings)] {
		text := strconv.QuoteToASCII(w.String())
		c.answer.Header().Add("X-Policy-Warning", strings.ReplaceAll(text[1:len(text)-1], `\"`, `"`))
	}
}

func getPolicy(c *call) error {
	p, err := c.cfg.Policies.GetPolicy(c.r.Context(), c.path("policyName"))
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Name       string       `json:"policyName"`
		ARN        string       `json:"policyArn"`
		Document   string       `json:"policyDocument"`
		Version    string       `json:"defaultVersionId"`
		Created    *json.Number `json:"creationDate"`
		Modified   *json.Number `json:"lastModifiedDate"`
		Generation string       `json:"generationId"`
	}{p.Name, p.ARN, p.Document, p.DefaultVersion, seconds(p.Created), seconds(p.Modified), p.Generation})
}

func deletePolicy(c *call) error {
	name := c.path("policyName")
	return c.untagAfter(c.cfg.Policies.DeletePolicy(c.r.Context(), name), access.ErrNotFound, c.cfg.Policies.PolicyARN(name))
}

// untagAfter answers a deletion, and removes the tags of what was deleted: also where that
// is not found, as the tags may have stayed the time before, and for somebody who has gone
// away, who may not come again.
func (c *call) untagAfter(err, notFound error, arn string) error {
	if err != nil && !errors.Is(err, notFound) {
		return err
	}
	if err := c.cfg.Registry.ForgetTags(context.WithoutCancel(c.r.Context()), arn); err != nil {
		return err
	}
	return c.emptyAfter(err)
}

type policyRef struct {
	Name string `json:"policyName"`
	ARN  string `json:"policyArn"`
}

func policyRefs(all []access.Policy) []policyRef {
	refs := make([]policyRef, 0, len(all))
	for _, p := range all {
		refs = append(refs, policyRef{p.Name, p.ARN})
	}
	return refs
}

// marked reads marker and pageSize from the query.
func (c *call) marked() (access.Page, error) {
	n, err := c.queryInt("pageSize", 0, 1, 250)
	return access.Page{Max: n, Token: c.query.Get("marker")}, err
}

type policyList struct {
	Policies []policyRef `json:"policies"`
	Next     string      `json:"nextMarker,omitempty"`
}

func listPolicies(c *call) error {
	p, err := c.marked()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Policies.ListPolicies(c.r.Context(), p)
	if err != nil {
		return err
	}
	return c.answer.json(policyList{policyRefs(all), next})
}

func createPolicyVersion(c *call) error {
	in, err := input[documentBody](c)
	if err != nil {
		return err
	}
	if err := required("policyDocument", in.Document); err != nil {
		return err
	}
	byDefault, err := c.queryBool("setAsDefault")
	if err != nil {
		return err
	}
	name := c.path("policyName")
	v, err := c.cfg.Policies.CreatePolicyVersion(c.r.Context(), name, in.Document, byDefault)
	if err != nil {
		return err
	}
	c.warn(v.Warnings())
	return c.answer.json(struct {
		ARN      string `json:"policyArn"`
		Document string `json:"policyDocument"`
		Version  string `json:"policyVersionId"`
		Default  bool   `json:"isDefaultVersion"`
	}{c.cfg.Policies.PolicyARN(name), v.Document, v.ID, v.Default})
}

func listPolicyVersions(c *call) error {
	all, err := c.cfg.Policies.ListPolicyVersions(c.r.Context(), c.path("policyName"))
	if err != nil {
		return err
	}
	type version struct {
		ID      string       `json:"versionId"`
		Default bool         `json:"isDefaultVersion"`
		Created *json.Number `json:"createDate"`
	}
	out := struct {
		Versions []version `json:"policyVersions"`
	}{[]version{}}
	for _, v := range all {
		out.Versions = append(out.Versions, version{v.ID, v.Default, seconds(v.Created)})
	}
	return c.answer.json(out)
}

func getPolicyVersion(c *call) error {
	name := c.path("policyName")
	v, err := c.cfg.Policies.GetPolicyVersion(c.r.Context(), name, c.path("policyVersionId"))
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		ARN        string       `json:"policyArn"`
		Name       string       `json:"policyName"`
		Document   string       `json:"policyDocument"`
		Version    string       `json:"policyVersionId"`
		Default    bool         `json:"isDefaultVersion"`
		Created    *json.Number `json:"creationDate"`
		Modified   *json.Number `json:"lastModifiedDate"`
		Generation string       `json:"generationId"`
	}{c.cfg.Policies.PolicyARN(name), name, v.Document, v.ID, v.Default, seconds(v.Created), seconds(v.Created), v.ID})
}

func setDefaultPolicyVersion(c *call) error {
	return c.emptyAfter(c.cfg.Policies.SetDefaultPolicyVersion(c.r.Context(), c.path("policyName"), c.path("policyVersionId")))
}

func deletePolicyVersion(c *call) error {
	return c.emptyAfter(c.cfg.Policies.DeletePolicyVersion(c.r.Context(), c.path("policyName"), c.path("policyVersionId")))
}

// emptyAfter answers an operation that has nothing to say, unless it failed.
func (c *call) emptyAfter(err error) error {
	if err != nil {
		return err
	}
	return c.empty()
}

func (c *call) target() (string, error) {
	in, err := input[targetBody](c)
	if err != nil {
		return "", err
	}
	return in.Target, required("target", in.Target)
}

// policyAnd does something with the policy in the path and the target the request names in its own way.
func (c *call) policyAnd(target func() (string, error), do func(ctx context.Context, policy, target string) error) error {
	t, err := target()
	if err != nil {
		return err
	}
	return c.emptyAfter(do(c.r.Context(), c.path("policyName"), t))
}

func attachPolicy(c *call) error {
	return c.policyAnd(c.target, c.cfg.Policies.AttachPolicy)
}

func detachPolicy(c *call) error {
	return c.policyAnd(c.target, c.cfg.Policies.DetachPolicy)
}

func listAttachedPolicies(c *call) error {
	p, err := c.marked()
	if err != nil {
		return err
	}
	recursive, err := c.queryBool("recursive")
	if err != nil {
		return err
	}
	var above func(context.Context, string) ([]string, error)
	if recursive {
		above = c.groupsAbove
	}
	all, next, err := c.cfg.Policies.ListAttachedPolicies(c.r.Context(), c.path("target"), above, p)
	if err != nil {
		return err
	}
	return c.answer.json(policyList{policyRefs(all), next})
}

// groupsAbove returns the ARNs of the parents of a thing group; nothing has any besides.
func (c *call) groupsAbove(ctx context.Context, target string) (all []string, err error) {
	name, ok := strings.CutPrefix(target, c.cfg.Registry.GroupARN(""))
	if !ok {
		return nil, nil
	}
	g, err := c.cfg.Registry.DescribeThingGroup(ctx, name)
	for _, p := range g.RootToParent {
		all = append(all, p.ARN)
	}
	return all, err
}

func listTargets(c *call) error {
	p, err := c.marked()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Policies.ListTargetsForPolicy(c.r.Context(), c.path("policyName"), p)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Targets []string `json:"targets"`
		Next    string   `json:"nextMarker,omitempty"`
	}{append([]string{}, all...), next})
}

// The older operations, which SDKs still have.

func (c *call) iotPrincipal() (string, error) {
	p := c.r.Header.Get("X-Amzn-Iot-Principal")
	return p, required("principal", p)
}

func attachPrincipalPolicy(c *call) error {
	return c.policyAnd(c.iotPrincipal, c.cfg.Policies.AttachPolicy)
}

func detachPrincipalPolicy(c *call) error {
	return c.policyAnd(c.iotPrincipal, c.cfg.Policies.DetachPolicy)
}

func listPrincipalPolicies(c *call) error {
	principal, err := c.iotPrincipal()
	if err != nil {
		return err
	}
	p, err := c.marked()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Policies.ListAttachedPolicies(c.r.Context(), principal, nil, p)
	if err != nil {
		return err
	}
	return c.answer.json(policyList{policyRefs(all), next})
}

func listPolicyPrincipals(c *call) error {
	name := c.r.Header.Get("X-Amzn-Iot-Policy")
	if err := required("policyName", name); err != nil {
		return err
	}
	p, err := c.marked()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Policies.ListTargetsForPolicy(c.r.Context(), name, p)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Principals []string `json:"principals"`
		Next       string   `json:"nextMarker,omitempty"`
	}{append([]string{}, all...), next})
}

func effectivePolicies(c *call) error {
	in, err := input[principalBody](c)
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	groups := []string{}
	if in.Principal != "" || in.Pool != "" {
		if _, err := c.cfg.Identify(ctx, in.Principal, in.Pool); err != nil {
			return err
		}
		if groups, err = c.groupsAbove(ctx, in.Principal); err != nil {
			return err
		}
	}
	all, err := c.cfg.Policies.EffectivePolicies(ctx, in.Principal, c.query.Get("thingName"))
	if err != nil {
		return err
	}
	for _, g := range groups { // whose policies a group has too
		more, err := c.cfg.Policies.EffectivePolicies(ctx, g, "")
		if err != nil {
			return err
		}
		all = append(all, more...)
	}
	byName := func(a, b access.Policy) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(all, byName)
	all = slices.CompactFunc(all, func(a, b access.Policy) bool { return a.Name == b.Name })
	type effective struct {
		Name     string `json:"policyName"`
		ARN      string `json:"policyArn"`
		Document string `json:"policyDocument"`
	}
	out := struct {
		Policies []effective `json:"effectivePolicies"`
	}{[]effective{}}
	for _, p := range all {
		out.Policies = append(out.Policies, effective{p.Name, p.ARN, p.Document})
	}
	return c.answer.json(out)
}

// authActions are the actions of TestAuthorization.
var authActions = map[string]auth.Action{"PUBLISH": auth.Publish, "SUBSCRIBE": auth.Subscribe, "RECEIVE": auth.Receive, "CONNECT": auth.Connect}

type authInfo struct {
	Action    string   `json:"actionType,omitempty"`
	Resources []string `json:"resources"`
}

func testAuthorization(c *call) error {
	in, err := input[struct {
		Principal string     `json:"principal"`
		Pool      string     `json:"cognitoIdentityPoolId"`
		Infos     []authInfo `json:"authInfos"`
		Add       []string   `json:"policyNamesToAdd"`
		Skip      []string   `json:"policyNamesToSkip"`
	}](c)
	switch {
	case err != nil:
		return err
	case len(in.Infos) == 0 || len(in.Infos) > 10:
		return badBody("authInfos has %d elements, expected 1 to 10", len(in.Infos))
	}
	ctx := c.r.Context()
	id := &auth.Identity{Principal: "nobody", Kind: auth.Custom}
	if in.Principal != "" || in.Pool != "" {
		if id, err = c.cfg.Identify(ctx, in.Principal, in.Pool); err != nil {
			return err
		}
	}
	var questions []access.Question
	for _, i := range in.Infos {
		action, ok := authActions[i.Action]
		if !ok {
			return invalid("actionType", i.Action, "PUBLISH, SUBSCRIBE, RECEIVE or CONNECT")
		}
		questions = append(questions, access.Question{Action: action, Resources: i.Resources})
	}
	answers, err := c.cfg.Policies.TestAuthorization(ctx, id, &auth.Conn{ClientID: c.query.Get("clientId")}, questions, in.Add, in.Skip)
	if err != nil {
		return err
	}
	out := struct {
		Results []authResult `json:"authResults"`
	}{}
	for i, a := range answers {
		out.Results = append(out.Results, c.authResult(in.Infos[i], &a))
	}
	return c.answer.json(out)
}

type policySet struct {
	Policies []policyRef `json:"policies"`
}

type authResult struct {
	Info    authInfo  `json:"authInfo"`
	Allowed policySet `json:"allowed"`
	Denied  struct {
		Implicit policySet `json:"implicitDeny"`
		Explicit policySet `json:"explicitDeny"`
	} `json:"denied"`
	Decision string   `json:"authDecision"`
	Missing  []string `json:"missingContextValues"`
}

func (c *call) authResult(info authInfo, a *access.Answer) authResult {
	refs := func(names []string) policySet {
		s := policySet{[]policyRef{}}
		for _, n := range names {
			s.Policies = append(s.Policies, policyRef{n, c.cfg.Policies.PolicyARN(n)})
		}
		return s
	}
	r := authResult{Info: info, Allowed: refs(a.Allows), Missing: append([]string{}, a.Missing...)}
	r.Denied.Explicit, r.Denied.Implicit = refs(a.Denies), refs(nil)
	switch a.Outcome {
	case policy.Allowed:
		r.Decision = "ALLOWED"
	case policy.ExplicitDeny:
		r.Decision = "EXPLICIT_DENY"
	default:
		r.Decision = "IMPLICIT_DENY"
		r.Denied.Implicit = refs(a.Policies)
	}
	return r
}
