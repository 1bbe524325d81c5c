package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/thinghub/thinghub/auth/certs"
)

var caOperations = []operation{
	{name: "RegisterCACertificate", method: http.MethodPost, path: "/cacertificate", errors: usual("CertificateValidation", "LimitExceeded", "RegistrationCodeValidation", "ResourceAlreadyExists", "ResourceNotFound"), handle: registerCA, roles: passed("roleArn")},
	{name: "DescribeCACertificate", method: http.MethodGet, path: "/cacertificate/{caCertificateId}", errors: usual("ResourceNotFound"), handle: describeCA},
	{name: "UpdateCACertificate", method: http.MethodPut, path: "/cacertificate/{caCertificateId}", errors: usual("ResourceNotFound"), handle: updateCA, roles: passed("roleArn")},
	{name: "DeleteCACertificate", method: http.MethodDelete, path: "/cacertificate/{caCertificateId}", errors: usual("CertificateState", "ResourceNotFound"), handle: deleteCA},
	{name: "ListCACertificates", method: http.MethodGet, path: "/cacertificates", errors: usual(), handle: listCAs},
	{name: "GetRegistrationCode", method: http.MethodGet, path: "/registrationcode", errors: usual(), handle: registrationCode},
	{name: "DeleteRegistrationCode", method: http.MethodDelete, path: "/registrationcode", errors: usual("ResourceNotFound"), handle: deleteRegistrationCode},
}

// checkRegistration refuses a template that will not do, before a device finds that out.
func (c *call) checkRegistration(r *certs.RegistrationConfig) error {
	if r == nil || r.TemplateBody+r.TemplateName == "" || c.cfg.Provisioning == nil {
		return nil
	}
	return c.cfg.Provisioning.CheckRegistration(c.r.Context(), r.TemplateBody, r.TemplateName)
}

func registerCA(c *call) error {
	in, err := input[struct {
		PEM          string                    `json:"caCertificate"`
		Verification string                    `json:"verificationCertificate"`
		Mode         certs.Mode                `json:"certificateMode"`
		Config       *certs.RegistrationConfig `json:"registrationConfig"`
		Tags         []tag                     `json:"tags"`
	}](c)
	if err != nil {
		return err
	}
	active, err := c.queryBool("setAsActive")
	if err != nil {
		return err
	}
	auto, err := c.queryBool("allowAutoRegistration")
	if err != nil {
		return err
	}
	tags, err := c.newTags(in.Tags)
	if err == nil {
		err = c.checkRegistration(in.Config)
	}
	if err != nil {
		return err
	}
	id, arn, err := c.cfg.Certificates.RegisterCACertificate(c.r.Context(), certs.RegisterCAInput{
		PEM: in.PEM, Verification: in.Verification, Mode: in.Mode, SetAsActive: active, AllowAutoRegistration: auto, Config: in.Config,
	})
	if err != nil {
		return err
	}
	err = c.tagNew(arn, tags, func(ctx context.Context) error {
		// An active one cannot be deleted.
		if err := c.cfg.Certificates.UpdateCACertificate(ctx, certs.UpdateCAInput{ID: id, Status: certs.CAInactive}); err != nil {
			return err
		}
		return c.cfg.Certificates.DeleteCACertificate(ctx, id)
	})
	if err != nil {
		return err
	}
	return c.answer.json(certificateRef{ARN: arn, ID: id})
}

type caOut struct {
	ARN        string                 `json:"certificateArn"`
	ID         string                 `json:"certificateId"`
	Status     certs.CAStatus         `json:"status"`
	PEM        string                 `json:"certificatePem"`
	Owner      string                 `json:"ownedBy"`
	Created    *json.Number           `json:"creationDate"`
	Auto       certs.AutoRegistration `json:"autoRegistrationStatus"`
	Modified   *json.Number           `json:"lastModifiedDate"`
	Version    int                    `json:"customerVersion"`
	Generation string                 `json:"generationId"`
	Validity   validity               `json:"validity"`
	Mode       certs.Mode             `json:"certificateMode"`
}

func describeCA(c *call) error {
	d, err := c.cfg.Certificates.DescribeCACertificate(c.r.Context(), c.path("caCertificateId"))
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Description caOut                     `json:"certificateDescription"`
		Config      *certs.RegistrationConfig `json:"registrationConfig,omitempty"`
	}{caOut{
		d.ARN, d.ID, d.Status, d.PEM, d.OwnedBy, seconds(d.Created), d.Auto, seconds(d.Modified), d.Version, d.Generation,
		validityOf(d.NotBefore, d.NotAfter), d.Mode,
	}, d.Config})
}

func updateCA(c *call) error {
	in, err := input[struct {
		Config *certs.RegistrationConfig `json:"registrationConfig"`
		Remove bool                      `json:"removeAutoRegistration"`
	}](c)
	if err == nil {
		err = c.checkRegistration(in.Config)
	}
	if err != nil {
		return err
	}
	return c.emptyAfter(c.cfg.Certificates.UpdateCACertificate(c.r.Context(), certs.UpdateCAInput{
		ID: c.path("caCertificateId"), Status: certs.CAStatus(c.query.Get("newStatus")),
		Auto: certs.AutoRegistration(c.query.Get("newAutoRegistrationStatus")), Config: in.Config, RemoveAutoRegistration: in.Remove,
	}))
}

func deleteCA(c *call) error {
	id := strings.ToLower(c.path("caCertificateId")) // as the room takes it
	return c.untagAfter(c.cfg.Certificates.DeleteCACertificate(c.r.Context(), id), certs.ErrNotFound, c.cfg.Certificates.CAARN(id))
}

func listCAs(c *call) error {
	p, err := c.certificatePage()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Certificates.ListCACertificates(c.r.Context(), c.query.Get("templateName"), p)
	if err != nil {
		return err
	}
	type item struct {
		ARN     string         `json:"certificateArn"`
		ID      string         `json:"certificateId"`
		Status  certs.CAStatus `json:"status"`
		Created *json.Number   `json:"creationDate"`
	}
	out := struct {
		Certificates []item `json:"certificates"`
		Next         string `json:"nextMarker,omitempty"`
	}{make([]item, len(all)), next}
	for i, s := range all {
		out.Certificates[i] = item{s.ARN, s.ID, s.Status, seconds(s.Created)}
	}
	return c.answer.json(out)
}

func registrationCode(c *call) error {
	code, err := c.cfg.Certificates.GetRegistrationCode(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer.json(map[string]string{"registrationCode": code})
}

func deleteRegistrationCode(c *call) error {
	return c.emptyAfter(c.cfg.Certificates.DeleteRegistrationCode(c.r.Context()))
}
