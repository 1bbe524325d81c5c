package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/thinghub/thinghub/auth/custom"
)

var authorizerOperations = []operation{
	{name: "CreateAuthorizer", method: http.MethodPost, path: "/authorizer/{authorizerName}", errors: usual("LimitExceeded", "ResourceAlreadyExists"), handle: createAuthorizer},
	{name: "UpdateAuthorizer", method: http.MethodPut, path: "/authorizer/{authorizerName}", errors: usual("LimitExceeded", "ResourceNotFound"), handle: updateAuthorizer},
	{name: "DeleteAuthorizer", method: http.MethodDelete, path: "/authorizer/{authorizerName}", errors: usual("DeleteConflict", "ResourceNotFound"), handle: deleteAuthorizer},
	{name: "DescribeAuthorizer", method: http.MethodGet, path: "/authorizer/{authorizerName}", errors: usual("ResourceNotFound"), handle: describeAuthorizer},
	{name: "ListAuthorizers", method: http.MethodGet, path: "/authorizers/", errors: usual(), handle: listAuthorizers},
	{name: "SetDefaultAuthorizer", method: http.MethodPost, path: "/default-authorizer", errors: usual("ResourceAlreadyExists", "ResourceNotFound"), handle: setDefaultAuthorizer, on: ofBody[authorizerName]},
	{name: "ClearDefaultAuthorizer", method: http.MethodDelete, path: "/default-authorizer", errors: usual("ResourceNotFound"), handle: clearDefaultAuthorizer},
	{name: "DescribeDefaultAuthorizer", method: http.MethodGet, path: "/default-authorizer", errors: usual("ResourceNotFound"), handle: describeDefaultAuthorizer},
	{name: "TestInvokeAuthorizer", method: http.MethodPost, path: "/authorizer/{authorizerName}/test", errors: usual("InvalidResponse", "ResourceNotFound"), handle: testInvokeAuthorizer},
}

type authorizerName struct {
	Name string `json:"authorizerName"`
}

func (b authorizerName) resources() []string { return named("authorizer/", b.Name) }

type authorizerRef struct {
	Name string `json:"authorizerName"`
	ARN  string `json:"authorizerArn"`
}

func createAuthorizer(c *call) error {
	in, err := input[struct {
		Function string            `json:"authorizerFunctionArn"`
		TokenKey string            `json:"tokenKeyName"`
		Keys     map[string]string `json:"tokenSigningPublicKeys"`
		Status   string            `json:"status"`
		Tags     []tag             `json:"tags"`
		Unsigned bool              `json:"signingDisabled"`
		Caching  bool              `json:"enableCachingForHttp"`
	}](c)
	if err == nil {
		err = required("authorizerFunctionArn", in.Function)
	}
	if err != nil {
		return err
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return err
	}
	name := c.path("authorizerName")
	a, err := c.cfg.Authorizers.CreateAuthorizer(c.r.Context(), custom.NewAuthorizer{
		Name: name, FunctionARN: in.Function, TokenKeyName: in.TokenKey, TokenSigningPublicKeys: in.Keys,
		Status: in.Status, SigningDisabled: in.Unsigned, EnableCachingForHTTP: in.Caching,
	})
	if err != nil {
		return err
	}
	err = c.tagNew(a.ARN, tags, func(ctx context.Context) error {
		// An active one cannot be deleted.
		inactive := custom.Inactive
		if _, err := c.cfg.Authorizers.UpdateAuthorizer(ctx, name, custom.Change{Status: &inactive}); err != nil {
			return err
		}
		return c.cfg.Authorizers.DeleteAuthorizer(ctx, name)
	})
	if err != nil {
		return err
	}
	return c.answer.json(authorizerRef{a.Name, a.ARN})
}

func updateAuthorizer(c *call) error {
	in, err := input[struct {
		Function *string           `json:"authorizerFunctionArn"`
		TokenKey *string           `json:"tokenKeyName"`
		Keys     map[string]string `json:"tokenSigningPublicKeys"`
		Status   *string           `json:"status"`
		Caching  *bool             `json:"enableCachingForHttp"`
	}](c)
	if err != nil {
		return err
	}
	a, err := c.cfg.Authorizers.UpdateAuthorizer(c.r.Context(), c.path("authorizerName"), custom.Change{
		FunctionARN: in.Function, TokenKeyName: in.TokenKey, TokenSigningPublicKeys: in.Keys, Status: in.Status, EnableCachingForHTTP: in.Caching,
	})
	if err != nil {
		return err
	}
	return c.answer.json(authorizerRef{a.Name, a.ARN})
}

func deleteAuthorizer(c *call) error {
	name := c.path("authorizerName")
	return c.untagAfter(c.cfg.Authorizers.DeleteAuthorizer(c.r.Context(), name), custom.ErrNotFound, c.cfg.Authorizers.ARN(name))
}

// authorizerDescription answers with an authorizer.
func (c *call) authorizerDescription(a custom.Authorizer) error {
	type description struct {
		Name     string            `json:"authorizerName"`
		ARN      string            `json:"authorizerArn"`
		Function string            `json:"authorizerFunctionArn"`
		TokenKey string            `json:"tokenKeyName,omitempty"`
		Keys     map[string]string `json:"tokenSigningPublicKeys,omitempty"`
		Status   string            `json:"status"`
		Created  *json.Number      `json:"creationDate"`
		Modified *json.Number      `json:"lastModifiedDate"`
		Unsigned bool              `json:"signingDisabled"`
		Caching  bool              `json:"enableCachingForHttp"`
	}
	return c.answer.json(map[string]description{"authorizerDescription": {
		a.Name, a.ARN, a.FunctionARN, a.TokenKeyName, a.TokenSigningPublicKeys, a.Status, seconds(a.Created), seconds(a.Modified), a.SigningDisabled, a.EnableCachingForHTTP,
	}})
}

func describeAuthorizer(c *call) error {
	a, err := c.cfg.Authorizers.DescribeAuthorizer(c.r.Context(), c.path("authorizerName"))
	if err != nil {
		return err
	}
	return c.authorizerDescription(a)
}

func listAuthorizers(c *call) error {
	ascending, err := c.queryBool("isAscendingOrder")
	if err != nil {
		return err
	}
	n, err := c.queryInt("pageSize", 0, 1, 250)
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Authorizers.ListAuthorizers(c.r.Context(), custom.Page{Size: n, Marker: c.query.Get("marker"), Descending: !ascending, Status: c.query.Get("status")})
	if err != nil {
		return err
	}
	out := struct {
		Authorizers []authorizerRef `json:"authorizers"`
		Next        string          `json:"nextMarker,omitempty"`
	}{make([]authorizerRef, len(all)), next}
	for i, a := range all {
		out.Authorizers[i] = authorizerRef{a.Name, a.ARN}
	}
	return c.answer.json(out)
}

func setDefaultAuthorizer(c *call) error {
	in, err := input[authorizerName](c)
	if err == nil {
		err = required("authorizerName", in.Name)
	}
	if err != nil {
		return err
	}
	a, err := c.cfg.Authorizers.SetDefaultAuthorizer(c.r.Context(), in.Name)
	if err != nil {
		return err
	}
	return c.answer.json(authorizerRef{a.Name, a.ARN})
}

func clearDefaultAuthorizer(c *call) error {
	return c.emptyAfter(c.cfg.Authorizers.ClearDefaultAuthorizer(c.r.Context()))
}

func describeDefaultAuthorizer(c *call) error {
	a, err := c.cfg.Authorizers.DescribeDefaultAuthorizer(c.r.Context())
	if err != nil {
		return err
	}
	return c.authorizerDescription(a)
}

func testInvokeAuthorizer(c *call) error {
	in, err := input[struct {
		Token     string `json:"token"`
		Signature string `json:"tokenSignature"`
		HTTP      *struct {
			Headers map[string]string `json:"headers"`
			Query   string            `json:"queryString"`
		} `json:"httpContext"`
		MQTT *struct {
			Username string `json:"username"`
			Password string `json:"password"`
			ClientID string `json:"clientId"`
		} `json:"mqttContext"`
		TLS *struct {
			ServerName string `json:"serverName"`
		} `json:"tlsContext"`
	}](c)
	if err != nil {
		return err
	}
	t := custom.TestRequest{Token: in.Token, TokenSignature: in.Signature}
	if h := in.HTTP; h != nil {
		t.HTTP = &custom.HTTPData{Headers: h.Headers, QueryString: h.Query}
	}
	if m := in.MQTT; m != nil {
		password, err := base64.StdEncoding.DecodeString(m.Password)
		if err != nil {
			return badBody("mqttContext.password is no base64, expected a password in base64: %v", err)
		}
		t.MQTT = &custom.MQTTData{Username: m.Username, Password: password, ClientID: m.ClientID}
	}
	if in.TLS != nil {
		t.TLS = &custom.TLSData{ServerName: in.TLS.ServerName}
	}
	a, err := c.cfg.Authorizers.TestInvokeAuthorizer(c.r.Context(), c.path("authorizerName"), t)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Is         bool              `json:"isAuthenticated"`
		Principal  string            `json:"principalId,omitempty"`
		Policies   []custom.Document `json:"policyDocuments,omitempty"`
		Refresh    int               `json:"refreshAfterInSeconds,omitempty"`
		Disconnect int               `json:"disconnectAfterInSeconds,omitempty"`
	}{a.IsAuthenticated, a.PrincipalID, a.PolicyDocuments, a.RefreshAfterInSeconds, a.DisconnectAfterInSeconds})
}
