package api

import (
	"encoding/json"
	"net/http"
)

var transferOperations = []operation{
	{name: "TransferCertificate", method: http.MethodPatch, path: "/transfer-certificate/{certificateId}", errors: usual("CertificateState", "ResourceNotFound", "TransferConflict"), handle: transferCertificate},
	{name: "AcceptCertificateTransfer", method: http.MethodPatch, path: "/accept-certificate-transfer/{certificateId}", errors: usual("ResourceNotFound", "TransferAlreadyCompleted"), handle: acceptTransfer},
	{name: "RejectCertificateTransfer", method: http.MethodPatch, path: "/reject-certificate-transfer/{certificateId}", errors: usual("ResourceNotFound", "TransferAlreadyCompleted"), handle: rejectTransfer},
	{name: "CancelCertificateTransfer", method: http.MethodPatch, path: "/cancel-certificate-transfer/{certificateId}", errors: usual("ResourceNotFound", "TransferAlreadyCompleted"), handle: cancelTransfer},
	{name: "ListOutgoingCertificates", method: http.MethodGet, path: "/certificates-out-going", errors: usual(), handle: listOutgoing},
}

func transferCertificate(c *call) error {
	in, err := input[struct {
		Message string `json:"transferMessage"`
	}](c)
	if err != nil {
		return err
	}
	arn, err := c.cfg.Certificates.TransferCertificate(c.r.Context(), c.path("certificateId"), c.query.Get("targetAwsAccount"), in.Message)
	if err != nil {
		return err
	}
	return c.answer.json(map[string]string{"transferredCertificateArn": arn})
}

func acceptTransfer(c *call) error {
	active, err := c.queryBool("setAsActive")
	if err != nil {
		return err
	}
	return c.emptyAfter(c.cfg.Certificates.AcceptCertificateTransfer(c.r.Context(), c.path("certificateId"), active))
}

func rejectTransfer(c *call) error {
	in, err := input[struct {
		Reason string `json:"rejectReason"`
	}](c)
	if err != nil {
		return err
	}
	return c.emptyAfter(c.cfg.Certificates.RejectCertificateTransfer(c.r.Context(), c.path("certificateId"), in.Reason))
}

func cancelTransfer(c *call) error {
	return c.emptyAfter(c.cfg.Certificates.CancelCertificateTransfer(c.r.Context(), c.path("certificateId")))
}

func listOutgoing(c *call) error {
	p, err := c.certificatePage()
	if err != nil {
		return err
	}
	all, next, err := c.cfg.Certificates.ListOutgoingCertificates(c.r.Context(), p)
	if err != nil {
		return err
	}
	type item struct {
		ARN     string       `json:"certificateArn"`
		ID      string       `json:"certificateId"`
		To      string       `json:"transferredTo"`
		Date    *json.Number `json:"transferDate"`
		Message string       `json:"transferMessage,omitempty"`
		Created *json.Number `json:"creationDate"`
	}
	out := struct {
		Certificates []item `json:"outgoingCertificates"`
		Next         string `json:"nextMarker,omitempty"`
	}{make([]item, len(all)), next}
	for i, o := range all {
		out.Certificates[i] = item{o.ARN, o.ID, o.To, seconds(o.Date), o.Message, seconds(o.Created)}
	}
	return c.answer.json(out)
}
