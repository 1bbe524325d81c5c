package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/thinghub/thinghub/auth/certs"
)

var certificateOperations = []operation{
	{name: "CreateKeysAndCertificate", method: http.MethodPost, path: "/keys-and-certificate", errors: usual(), handle: createKeys},
	{name: "CreateCertificateFromCsr", method: http.MethodPost, path: "/certificates", errors: usual(), handle: createFromCSR},
	{name: "RegisterCertificate", method: http.MethodPost, path: "/certificate/register", errors: usual("CertificateConflict", "CertificateState", "CertificateValidation", "ResourceAlreadyExists"), handle: registerCertificate},
	{name: "RegisterCertificateWithoutCA", method: http.MethodPost, path: "/certificate/register-no-ca", errors: usual("CertificateState", "CertificateValidation", "ResourceAlreadyExists"), handle: registerWithoutCA},
	{name: "DescribeCertificate", method: http.MethodGet, path: "/certificates/{certificateId}", errors: usual("ResourceNotFound"), handle: describeCertificate},
	{name: "UpdateCertificate", method: http.MethodPut, path: "/certificates/{certificateId}", errors: usual("CertificateState", "ResourceNotFound"), handle: updateCertificate},
	{name: "DeleteCertificate", method: http.MethodDelete, path: "/certificates/{certificateId}", errors: usual("CertificateState", "DeleteConflict", "ResourceNotFound"), handle: deleteCertificate},
	{name: "ListCertificates", method: http.MethodGet, path: "/certificates", errors: usual(), handle: listCertificates},
	// AWS has no resource for it.
	{name: "ListCertificatesByCA", method: http.MethodGet, path: "/certificates-by-ca/{caCertificateId}", errors: usual(), handle: listCertificatesByCA, on: anything},
}

type keyPair struct {
	Public  string `json:"PublicKey"`
	Private string `json:"PrivateKey"`
}

// certificateRef names a certificate that was made or registered.
type certificateRef struct {
	ARN  string   `json:"certificateArn"`
	ID   string   `json:"certificateId"`
	PEM  string   `json:"certificatePem,omitempty"`
	Keys *keyPair `json:"keyPair,omitempty"`
}

func createKeys(c *call) error {
	active, err := c.queryBool("setAsActive")
	if err != nil {
		return err
	}
	made, err := c.cfg.Certificates.CreateKeysAndCertificate(c.r.Context(), active)
	if err != nil {
		return err
	}
	return c.answer.json(certificateRef{made.ARN, made.ID, made.PEM, &keyPair{made.Keys.PublicKey, made.Keys.PrivateKey}})
}

func createFromCSR(c *call) error {
	in, err := input[struct {
		CSR string `json:"certificateSigningRequest"`
	}](c)
	if err != nil {
		return err
	}
	active, err := c.queryBool("setAsActive")
	if err != nil {
		return err
	}
	made, err := c.cfg.Certificates.CreateCertificateFromCsr(c.r.Context(), in.CSR, active)
	if err != nil {
		return err
	}
	return c.answer.json(certificateRef{ARN: made.ARN, ID: made.ID, PEM: made.PEM})
}

func registerCertificate(c *call) error {
	in, err := input[struct {
		PEM    string       `json:"certificatePem"`
		CA     string       `json:"caCertificatePem"`
		Status certs.Status `json:"status"`
	}](c)
	if err != nil {
		return err
	}
	active, err := c.queryBool("setAsActive")
	if err != nil {
		return err
	}
	made, err := c.cfg.Certificates.RegisterCertificate(c.r.Context(), certs.RegisterInput{PEM: in.PEM, CA: in.CA, Status: in.Status, SetAsActive: active})
	if err != nil {
		return err
	}
	return c.answer.json(certificateRef{ARN: made.ARN, ID: made.ID})
}

func registerWithoutCA(c *call) error {
	in, err := input[struct {
		PEM    string       `json:"certificatePem"`
		Status certs.Status `json:"status"`
	}](c)
	if err != nil {
		return err
	}
	made, err := c.cfg.Certificates.RegisterCertificateWithoutCA(c.r.Context(), certs.RegisterInput{PEM: in.PEM, Status: in.Status})
	if err != nil {
		return err
	}
	return c.answer.json(certificateRef{ARN: made.ARN, ID: made.ID})
}

type validity struct {
	NotBefore *json.Number `json:"notBefore"`
	NotAfter  *json.Number `json:"notAfter"`
}

// validityOf has both times, whatever they are: a certificate may say the year 1.
func validityOf(from, to time.Time) validity { return validity{epoch(from), epoch(to)} }

type transferData struct {
	Message  string       `json:"transferMessage,omitempty"`
	Reason   string       `json:"rejectReason,omitempty"`
	Date     *json.Number `json:"transferDate,omitempty"`
	Accepted *json.Number `json:"acceptDate,omitempty"`
	Rejected *json.Number `json:"rejectDate,omitempty"`
}

type certificateOut struct {
	ARN        string       `json:"certificateArn"`
	ID         string       `json:"certificateId"`
	CA         string       `json:"caCertificateId,omitempty"`
	Status     certs.Status `json:"status"`
	PEM        string       `json:"certificatePem"`
	Owner      string       `json:"ownedBy"`
	Previous   string       `json:"previousOwnedBy,omitempty"`
	Created    *json.Number `json:"creationDate"`
	Modified   *json.Number `json:"lastModifiedDate"`
	Version    int          `json:"customerVersion"`
	Transfer   transferData `json:"transferData"` // {} without one
	Generation string       `json:"generationId"`
	Validity   validity     `json:"validity"`
	Mode       certs.Mode   `json:"certificateMode"`
}

func describeCertificate(c *call) error {
	d, err := c.cfg.Certificates.DescribeCertificate(c.r.Context(), c.path("certificateId"))
	if err != nil {
		return err
	}
	out := certificateOut{
		ARN: d.ARN, ID: d.ID, CA: d.CA, Status: d.Status, PEM: d.PEM, Owner: d.OwnedBy, Previous: d.PreviousOwnedBy,
		Created: seconds(d.Created), Modified: seconds(d.Modified), Version: d.Version,
		Generation: d.Generation, Validity: validityOf(d.NotBefore, d.NotAfter), Mode: d.Mode,
	}
	if t := d.Transfer; t != nil {
		out.Transfer = transferData{t.Message, t.RejectReason, seconds(t.Date), seconds(t.Accepted), seconds(t.Rejected)}
	}
	return c.answer.json(map[string]certificateOut{"certificateDescription": out})
}

func updateCertificate(c *call) error {
	return c.emptyAfter(c.cfg.Certificates.UpdateCertificate(c.r.Context(), c.path("certificateId"), certs.Status(c.query.Get("newStatus"))))
}

func deleteCertificate(c *call) error {
	force, err := c.queryBool("forceDelete")
	if err != nil {
		return err
	}
	return c.emptyAfter(c.cfg.Certificates.DeleteCertificate(c.r.Context(), c.path("certificateId"), force))
}

// certificatePage reads pageSize, marker and isAscendingOrder from the query.
func (c *call) certificatePage() (p certs.Page, err error) {
	p.Marker = c.query.Get("marker")
	if p.Size, err = c.queryInt("pageSize", 0, 1, 250); err == nil {
		p.Ascending, err = c.queryBool("isAscendingOrder")
	}
	return p, err
}

type certificateItem struct {
	ARN     string       `json:"certificateArn"`
	ID      string       `json:"certificateId"`
	Status  certs.Status `json:"status"`
	Mode    certs.Mode   `json:"certificateMode"`
	Created *json.Number `json:"creationDate"`
}

func (c *call) certificateList(all []certs.Summary, next string) error {
	out := struct {
		Certificates []certificateItem `json:"certificates"`
		Next         string            `json:"nextMarker,omitempty"`
	}{make([]certificateItem, len(all)), next}
	for i, s := range all {
		out.Certificates[i] = certificateItem{s.ARN, s.ID, s.Status, s.Mode, seconds(s.Created)}
	}
	return c.answer.json(out)
}

func listCertificates(c *call) error {
	p, err := c.certificatePage()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Certificates.ListCertificates(c.r.Context(), p)
	if err != nil {
		return err
	}
	return c.certificateList(all, next)
}

func listCertificatesByCA(c *call) error {
	p, err := c.certificatePage()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Certificates.ListCertificatesByCA(c.r.Context(), c.path("caCertificateId"), p)
	if err != nil {
		return err
	}
	return c.certificateList(all, next)
}
