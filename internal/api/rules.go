package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/thinghub/thinghub/internal/topic"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

var ruleOperations = []operation{
	{name: "CreateTopicRule", method: http.MethodPost, path: "/rules/{ruleName}", errors: ofRules("ConflictingResourceUpdate", "ResourceAlreadyExists", "SqlParse"), handle: createRule, roles: passed("roleArn")},
	{name: "GetTopicRule", method: http.MethodGet, path: "/rules/{ruleName}", errors: ofRules(), handle: getRule},
	{name: "ListTopicRules", method: http.MethodGet, path: "/rules", errors: ofRules(), handle: listRules},
	{name: "ReplaceTopicRule", method: http.MethodPatch, path: "/rules/{ruleName}", errors: ofRules("ConflictingResourceUpdate", "SqlParse"), handle: replaceRule, roles: passed("roleArn")},
	{name: "DeleteTopicRule", method: http.MethodDelete, path: "/rules/{ruleName}", errors: ofRules("ConflictingResourceUpdate"), handle: deleteRule},
	{name: "EnableTopicRule", method: http.MethodPost, path: "/rules/{ruleName}/enable", errors: ofRules("ConflictingResourceUpdate"), handle: enableRule},
	{name: "DisableTopicRule", method: http.MethodPost, path: "/rules/{ruleName}/disable", errors: ofRules("ConflictingResourceUpdate"), handle: disableRule},
}

// ofRules are the types of errors of operations on rules and destinations.
func ofRules(more ...string) kinds {
	return append(more, "Internal", "InvalidRequest", "ServiceUnavailable", "Unauthorized")
}

// ruleFailure is what becomes of an error about rules.
func ruleFailure(e *rules.Error) failure {
	f := failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: e.Message}
	switch {
	case errors.Is(e, rules.ErrSQL):
		f.kind = "SqlParseException"
		if at, ok := errors.AsType[*sql.Error](e); ok {
			f.more = map[string]any{"line": at.Line, "column": at.Column}
		}
	case errors.Is(e, rules.ErrExists):
		f.status, f.kind = http.StatusConflict, "ResourceAlreadyExistsException"
	case errors.Is(e, rules.ErrVersion):
		f.status, f.kind = http.StatusConflict, "ConflictingResourceUpdateException"
	}
	return f
}

// noRule is what AWS says of a rule that is not there: the model has no other error.
func noRule(name string, err error) error {
	if errors.Is(err, rules.ErrNotFound) {
		return failure{status: http.StatusUnauthorized, kind: "UnauthorizedException", message: fmt.Sprintf("Access to topic rule '%s' was denied", name)}
	}
	return err
}

// ruleBody reads the rule of a request.
func (c *call) ruleBody() (rules.Rule, error) {
	body, err := c.read()
	if err != nil {
		return rules.Rule{}, err
	}
	if !utf8.Valid(body) { // encoding/json would change it
		return rules.Rule{}, badBody("the body is not UTF-8")
	}
	return c.cfg.Rules.DecodeRule(c.path("ruleName"), body)
}

func createRule(c *call) error {
	r, err := c.ruleBody()
	if err != nil {
		return err
	}
	tags, err := headerTags(c.r.Header.Get("X-Amz-Tagging"))
	if err != nil {
		return err
	}
	// A rule whose tags are refused must not work for a moment.
	if err := c.cfg.Registry.CheckNewTags(tags); err != nil {
		return err
	}
	ctx, name := c.r.Context(), r.Name
	if err := c.cfg.Rules.Create(ctx, r); err != nil {
		if errors.Is(err, rules.ErrExists) {
			f := failureOf(err)
			f.more = map[string]any{"resourceId": name, "resourceArn": c.cfg.Rules.ARN(name)}
			return f
		}
		return err
	}
	return c.emptyAfter(c.tagNew(c.cfg.Rules.ARN(name), tags, func(ctx context.Context) error { return c.cfg.Rules.Delete(ctx, name) }))
}

// headerTags reads tags as a query: a=1&b=2.
func headerTags(v string) (map[string]string, error) {
	q, err := url.ParseQuery(v)
	if err != nil {
		return nil, invalid("x-amz-tagging", v, "tags such as key1=value1&key2=value2")
	}
	tags := map[string]string{}
	for k, values := range q {
		if len(values) > 1 {
			return nil, invalid("x-amz-tagging", v, "each key once")
		}
		tags[k] = values[0]
	}
	return tags, nil
}

func getRule(c *call) error {
	name := c.path("ruleName")
	r, err := c.cfg.Rules.Get(c.r.Context(), name)
	if err != nil {
		return noRule(name, err)
	}
	body, _, err := c.cfg.Rules.EncodeRule(r)
	if err != nil {
		return err
	}
	members := map[string]any{}
	var payload map[string]json.RawMessage
	if err := json.Unmarshal(body, &payload); err != nil {
		return err
	}
	for k, v := range payload {
		members[k] = v
	}
	members["ruleName"], members["createdAt"] = name, seconds(r.Created)
	return c.answer.json(map[string]any{"ruleArn": c.cfg.Rules.ARN(name), "rule": members})
}

func listRules(c *call) error {
	size, after, err := c.namesPage()
	if err != nil {
		return err
	}
	var disabled *bool
	if c.query.Has("ruleDisabled") {
		b, err := c.queryBool("ruleDisabled")
		if err != nil {
			return err
		}
		disabled = &b
	}
	type item struct {
		ARN      string       `json:"ruleArn"`
		Name     string       `json:"ruleName"`
		Pattern  string       `json:"topicPattern,omitempty"`
		Created  *json.Number `json:"createdAt"`
		Disabled bool         `json:"ruleDisabled"`
	}
	out := struct {
		Rules []item `json:"rules"`
		Next  string `json:"nextToken,omitempty"`
	}{Rules: []item{}}
	want := c.query.Get("topic")
	for r, err := range c.cfg.Rules.List(c.r.Context()) {
		switch {
		case err != nil:
			return err
		case r.Name <= after, disabled != nil && *disabled != r.Disabled:
		case want != "" && want != r.Filter && (r.Filter == "" || !topic.Match(r.Filter, want)):
		case len(out.Rules) == size:
			out.Next = nameToken(out.Rules[size-1].Name)
			return c.answer.json(out)
		default:
			out.Rules = append(out.Rules, item{c.cfg.Rules.ARN(r.Name), r.Name, r.Filter, seconds(r.Created), r.Disabled})
		}
	}
	return c.answer.json(out)
}

// namesPage reads the page of a list that is in the order of names.
func (c *call) namesPage() (size int, after string, err error) {
	if size, err = c.queryInt("maxResults", 100, 1, 10000); err != nil {
		return 0, "", err
	}
	token := c.query.Get("nextToken")
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, "", invalid("nextToken", token, "a token from the page before")
	}
	return size, string(b), nil
}

func nameToken(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

func replaceRule(c *call) error {
	r, err := c.ruleBody()
	if err != nil {
		return err
	}
	if err := c.cfg.Rules.Replace(c.r.Context(), r); err != nil {
		return noRule(r.Name, err)
	}
	return c.empty()
}

func deleteRule(c *call) error {
	name := c.path("ruleName")
	return noRule(name, c.untagAfter(c.cfg.Rules.Delete(c.r.Context(), name), rules.ErrNotFound, c.cfg.Rules.ARN(name)))
}

func enableRule(c *call) error {
	if err := c.cfg.Rules.Enable(c.r.Context(), c.path("ruleName")); err != nil {
		return noRule(c.path("ruleName"), err)
	}
	return c.empty()
}

func disableRule(c *call) error {
	if err := c.cfg.Rules.Disable(c.r.Context(), c.path("ruleName")); err != nil {
		return noRule(c.path("ruleName"), err)
	}
	return c.empty()
}
