package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/thinghub/thinghub/auth/provision"
)

var provisioningOperations = []operation{
	{name: "CreateProvisioningTemplate", method: http.MethodPost, path: "/provisioning-templates", errors: few("Unauthorized", "LimitExceeded", "ResourceAlreadyExists"), handle: createTemplate, on: ofBody[templateName], roles: passed("provisioningRoleArn")},
	{name: "DescribeProvisioningTemplate", method: http.MethodGet, path: "/provisioning-templates/{templateName}", errors: few("Unauthorized", "ResourceNotFound"), handle: describeTemplate},
	{name: "UpdateProvisioningTemplate", method: http.MethodPatch, path: "/provisioning-templates/{templateName}", errors: kinds{"ConflictingResourceUpdate", "InternalFailure", "InvalidRequest", "ResourceNotFound", "Unauthorized"}, handle: updateTemplate, roles: passed("provisioningRoleArn")},
	{name: "DeleteProvisioningTemplate", method: http.MethodDelete, path: "/provisioning-templates/{templateName}", errors: few("Unauthorized", "ConflictingResourceUpdate", "DeleteConflict", "ResourceNotFound"), handle: deleteTemplate},
	{name: "ListProvisioningTemplates", method: http.MethodGet, path: "/provisioning-templates", errors: few("Unauthorized"), handle: listTemplates},
	{name: "CreateProvisioningTemplateVersion", method: http.MethodPost, path: "/provisioning-templates/{templateName}/versions", errors: few("Unauthorized", "ConflictingResourceUpdate", "ResourceNotFound", "VersionsLimitExceeded"), handle: createTemplateVersion},
	{name: "DescribeProvisioningTemplateVersion", method: http.MethodGet, path: "/provisioning-templates/{templateName}/versions/{versionId}", errors: few("Unauthorized", "ResourceNotFound"), handle: describeTemplateVersion},
	{name: "DeleteProvisioningTemplateVersion", method: http.MethodDelete, path: "/provisioning-templates/{templateName}/versions/{versionId}", errors: few("Unauthorized", "ConflictingResourceUpdate", "DeleteConflict", "ResourceNotFound"), handle: deleteTemplateVersion},
	{name: "ListProvisioningTemplateVersions", method: http.MethodGet, path: "/provisioning-templates/{templateName}/versions", errors: few("Unauthorized", "ResourceNotFound"), handle: listTemplateVersions},
	{name: "CreateProvisioningClaim", method: http.MethodPost, path: "/provisioning-templates/{templateName}/provisioning-claim", errors: usual("ResourceNotFound"), handle: createClaim},
	{name: "RegisterThing", method: http.MethodPost, path: "/things", errors: usual("ConflictingResourceUpdate", "ResourceRegistrationFailure"), handle: registerThing},
}

type templateHook struct {
	Version string `json:"payloadVersion,omitempty"`
	Target  string `json:"targetArn"`
}

func (h *templateHook) provision() *provision.TemplateHook {
	if h == nil {
		return nil
	}
	return &provision.TemplateHook{TargetARN: h.Target, PayloadVersion: h.Version}
}

type templateName struct {
	Name string `json:"templateName"`
}

func (b templateName) resources() []string { return named("provisioningtemplate/", b.Name) }

func createTemplate(c *call) error {
	in, err := input[struct {
		Name        string        `json:"templateName"`
		Description string        `json:"description"`
		Body        string        `json:"templateBody"`
		Enabled     bool          `json:"enabled"`
		Role        string        `json:"provisioningRoleArn"`
		Hook        *templateHook `json:"preProvisioningHook"`
		Tags        []tag         `json:"tags"`
		Type        string        `json:"type"`
	}](c)
	if err == nil {
		err = required("templateName", in.Name)
	}
	if err == nil {
		err = required("templateBody", in.Body)
	}
	if err != nil {
		return err
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return err
	}
	t, err := c.cfg.Provisioning.CreateProvisioningTemplate(c.r.Context(), provision.CreateTemplateInput{
		Name: in.Name, Body: in.Body, Description: in.Description, Enabled: in.Enabled, RoleARN: in.Role,
		Hook: in.Hook.provision(), Type: provision.TemplateType(in.Type),
	})
	if err != nil {
		return err
	}
	err = c.tagNew(t.ARN, tags, func(ctx context.Context) error { return c.cfg.Provisioning.DeleteProvisioningTemplate(ctx, t.Name) })
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		ARN     string `json:"templateArn"`
		Name    string `json:"templateName"`
		Version int    `json:"defaultVersionId"`
	}{t.ARN, t.Name, t.DefaultVersion})
}

// templateOut is a template. In lists the last four are absent.
type templateOut struct {
	ARN         string                 `json:"templateArn"`
	Name        string                 `json:"templateName"`
	Description string                 `json:"description,omitempty"`
	Created     *json.Number           `json:"creationDate"`
	Modified    *json.Number           `json:"lastModifiedDate"`
	Enabled     bool                   `json:"enabled"`
	Type        provision.TemplateType `json:"type"`
	Version     int                    `json:"defaultVersionId,omitempty"`
	Body        string                 `json:"templateBody,omitempty"`
	Role        string                 `json:"provisioningRoleArn,omitempty"`
	Hook        *templateHook          `json:"preProvisioningHook,omitempty"`
}

func templateItem(t *provision.TemplateInfo) templateOut {
	return templateOut{ARN: t.ARN, Name: t.Name, Description: t.Description, Created: seconds(t.Created), Modified: seconds(t.Modified), Enabled: t.Enabled, Type: t.Type}
}

func describeTemplate(c *call) error {
	t, err := c.cfg.Provisioning.DescribeProvisioningTemplate(c.r.Context(), c.path("templateName"))
	if err != nil {
		return err
	}
	out := templateItem(&t)
	out.Version, out.Body, out.Role = t.DefaultVersion, t.Body, t.RoleARN
	if t.Hook != nil {
		out.Hook = &templateHook{t.Hook.PayloadVersion, t.Hook.TargetARN}
	}
	return c.answer.json(out)
}

func updateTemplate(c *call) error {
	in, err := input[struct {
		Description *string       `json:"description"`
		Enabled     *bool         `json:"enabled"`
		Version     *int          `json:"defaultVersionId"`
		Role        *string       `json:"provisioningRoleArn"`
		Hook        *templateHook `json:"preProvisioningHook"`
		RemoveHook  bool          `json:"removePreProvisioningHook"`
	}](c)
	if err != nil {
		return err
	}
	return c.emptyAfter(c.cfg.Provisioning.UpdateProvisioningTemplate(c.r.Context(), provision.UpdateTemplateInput{
		Name: c.path("templateName"), Description: in.Description, Enabled: in.Enabled, RoleARN: in.Role,
		Hook: in.Hook.provision(), RemoveHook: in.RemoveHook, DefaultVersion: in.Version,
	}))
}

func deleteTemplate(c *call) error {
	name := c.path("templateName")
	return c.untagAfter(c.cfg.Provisioning.DeleteProvisioningTemplate(c.r.Context(), name), provision.ErrNotFound, c.cfg.Provisioning.TemplateARN(name))
}

// templatePage reads maxResults and nextToken from the query.
func (c *call) templatePage() (provision.Page, error) {
	n, err := c.queryInt("maxResults", 0, 1, 250)
	return provision.Page{Max: n, Token: c.query.Get("nextToken")}, err
}

func listTemplates(c *call) error {
	p, err := c.templatePage()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Provisioning.ListProvisioningTemplates(c.r.Context(), p)
	if err != nil {
		return err
	}
	out := struct {
		Templates []templateOut `json:"templates"`
		Next      string        `json:"nextToken,omitempty"`
	}{make([]templateOut, len(all)), next}
	for i := range all {
		out.Templates[i] = templateItem(&all[i])
	}
	return c.answer.json(out)
}

func createTemplateVersion(c *call) error {
	in, err := input[struct {
		Body string `json:"templateBody"`
	}](c)
	if err == nil {
		err = required("templateBody", in.Body)
	}
	if err != nil {
		return err
	}
	byDefault, err := c.queryBool("setAsDefault")
	if err != nil {
		return err
	}
	v, err := c.cfg.Provisioning.CreateProvisioningTemplateVersion(c.r.Context(), c.path("templateName"), in.Body, byDefault)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		ARN     string `json:"templateArn"`
		Name    string `json:"templateName"`
		ID      int    `json:"versionId"`
		Default bool   `json:"isDefaultVersion"`
	}{v.TemplateARN, v.Template, v.ID, v.Default})
}

type templateVersion struct {
	ID      int          `json:"versionId"`
	Created *json.Number `json:"creationDate"`
	Body    string       `json:"templateBody,omitempty"`
	Default bool         `json:"isDefaultVersion"`
}

// versionID reads the number of a version from the path.
func (c *call) versionID() (int, error) {
	n, err := strconv.Atoi(c.path("versionId"))
	if err != nil {
		return 0, invalid("versionId", c.path("versionId"), "the number of a version")
	}
	return n, nil
}

func describeTemplateVersion(c *call) error {
	id, err := c.versionID()
	if err != nil {
		return err
	}
	v, err := c.cfg.Provisioning.DescribeProvisioningTemplateVersion(c.r.Context(), c.path("templateName"), id)
	if err != nil {
		return err
	}
	return c.answer.json(templateVersion{v.ID, seconds(v.Created), v.Body, v.Default})
}

func deleteTemplateVersion(c *call) error {
	id, err := c.versionID()
	if err != nil {
		return err
	}
	return c.emptyAfter(c.cfg.Provisioning.DeleteProvisioningTemplateVersion(c.r.Context(), c.path("templateName"), id))
}

func listTemplateVersions(c *call) error {
	p, err := c.templatePage()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Provisioning.ListProvisioningTemplateVersions(c.r.Context(), c.path("templateName"), p)
	if err != nil {
		return err
	}
	out := struct {
		Versions []templateVersion `json:"versions"`
		Next     string            `json:"nextToken,omitempty"`
	}{make([]templateVersion, len(all)), next}
	for i, v := range all {
		out.Versions[i] = templateVersion{ID: v.ID, Created: seconds(v.Created), Default: v.Default}
	}
	return c.answer.json(out)
}

func createClaim(c *call) error {
	made, err := c.cfg.Provisioning.CreateProvisioningClaim(c.r.Context(), c.path("templateName"))
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		ID      string       `json:"certificateId"`
		PEM     string       `json:"certificatePem"`
		Keys    keyPair      `json:"keyPair"`
		Expires *json.Number `json:"expiration"`
	}{made.ID, made.PEM, keyPair{made.PublicKey, made.PrivateKey}, seconds(made.Expires)})
}

func registerThing(c *call) error {
	in, err := input[struct {
		Body       string            `json:"templateBody"`
		Parameters map[string]string `json:"parameters"`
	}](c)
	if err == nil {
		err = required("templateBody", in.Body)
	}
	if err != nil {
		return err
	}
	made, err := c.cfg.Provisioning.RegisterThing(c.r.Context(), in.Body, in.Parameters)
	if errors.Is(err, provision.ErrConflict) { // for which the model has no other error
		f := failureOf(err)
		f.status, f.kind = http.StatusBadRequest, "ResourceRegistrationFailureException"
		return f
	}
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		PEM  string            `json:"certificatePem,omitempty"`
		ARNs map[string]string `json:"resourceArns"`
	}{made.CertificatePEM, made.ResourceARNs})
}
