package api

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/registry"
)

// credentialOperations are the credential provider: devices get temporary credentials of
// a role for their certificate. It is in no model; its answers are what AWS documents
// and what devices have seen.
var credentialOperations = []operation{
	{name: "AssumeRoleWithCertificate", method: http.MethodGet, path: "/role-aliases/{roleAlias}/credentials", handle: assumeRole, fail: failProvider, service: credentialsService},
}

// deviceOperations are the data plane of a hub.
func deviceOperations(c *Config) []operation {
	if c.Roles == nil {
		return dataOperations
	}
	return slices.Concat(dataOperations, credentialOperations)
}

// accessDenied is the provider's refusal.
func accessDenied(text string) failure {
	return failure{status: http.StatusForbidden, kind: "AccessDeniedException", message: text}
}

// What the provider says to devices, in the words of AWS.
const (
	badCertificate = "Certificate is invalid on this endpoint"
	badThing       = "Invalid thing name passed"
	noAlias        = "Role alias does not exist"
	noAccess       = "Access Denied"
)

// failProvider answers with an error as the provider does: the type in a header and the
// message in the body.
func failProvider(w *answer, f failure) {
	switch {
	case f.status == http.StatusUnauthorized:
		f = accessDenied(badCertificate)
	case f.kind == "ForbiddenException":
		f = accessDenied(noAccess)
	}
	w.Header().Set("X-Amzn-Errortype", f.kind)
	body, _ := marshal(map[string]string{"message": f.message}) // a text only
	w.body(f.status, body)
}

// assumeRole makes credentials for the role of an alias.
func assumeRole(c *call) error {
	if c.id.Kind != auth.Certificate {
		return accessDenied(badCertificate)
	}
	ctx := c.r.Context()
	attributes, err := c.deviceAttributes()
	if err != nil {
		return err
	}
	alias, err := c.cfg.Roles.DescribeRoleAlias(ctx, c.path("roleAlias"))
	if errors.Is(err, roles.ErrNotFound) {
		return failure{status: http.StatusNotFound, kind: "ResourceNotFoundException", message: noAlias}
	}
	if err != nil {
		return err
	}
	made, err := c.cfg.Roles.Issue(ctx, roles.Grant{Role: alias.Role, Session: c.id.Principal, Attributes: attributes, Duration: alias.Duration})
	if err != nil {
		return err
	}
	type credentials struct {
		ID         string `json:"accessKeyId"`
		Secret     string `json:"secretAccessKey"`
		Token      string `json:"sessionToken"`
		Expiration string `json:"expiration"`
	}
	c.answer.Header().Set("Cache-Control", "no-store")
	return c.answer.json(map[string]credentials{"credentials": {
		made.AccessKeyID, made.SecretAccessKey, made.SessionToken, made.Expiration.UTC().Format(time.RFC3339),
	}})
}

// deviceAttributes are what policies of the role may ask about: the certificate, and the
// thing that the request names, which must be attached to it.
func (c *call) deviceAttributes() (map[string]string, error) {
	all := map[string]string{"credentials-iot:AwsCertificateId": c.id.Principal}
	names := c.r.Header.Values("X-Amzn-Iot-Thingname")
	if len(names) == 0 || len(names) == 1 && names[0] == "" {
		return all, nil
	}
	if len(names) > 1 {
		return nil, accessDenied(badThing)
	}
	ctx, name := c.r.Context(), names[0]
	attached, err := c.cfg.Registry.Attached(ctx, name, c.id.Attached())
	if err != nil {
		return nil, err
	}
	if !attached {
		return nil, accessDenied(badThing)
	}
	thing, err := c.cfg.Registry.DescribeThing(ctx, name)
	if errors.Is(err, registry.ErrNotFound) { // deleted meanwhile
		return nil, accessDenied(badThing)
	}
	if err != nil {
		return nil, err
	}
	all["credentials-iot:ThingName"] = thing.Name
	if thing.Type != "" {
		all["credentials-iot:ThingTypeName"] = thing.Type
	}
	return all, nil
}
