package provision

import (
	"context"
	"fmt"
)

// A Registration is what was made of a template.
type Registration struct {
	// CertificateID and CertificatePEM are empty if the template has no certificate,
	// ThingName if it has no thing.
	CertificateID, CertificatePEM string
	ThingName                     string
	// ResourceARNs are the names of the resources, by their logical names.
	ResourceARNs map[string]string
	// DeviceConfiguration is what the device is told; not nil.
	DeviceConfiguration map[string]string
}

// maxParameterBytes bounds names and values of parameters together.
const maxParameterBytes = 64 << 10

// RegisterThing makes what a template describes: a thing, a certificate (made for a
// certificate signing request, registered from PEM, or one that is known by its id),
// and policies that are attached to it. It is the operation of the AWS control plane:
// its caller is trusted, no pre-provisioning hook is asked.
//
// It is all or nothing: what was made and changed is undone when a later step fails,
// and the certificate becomes active last. A failure to undo is logged. Calling it
// again with the same parameters is no error unless an OverrideSetting is FAIL, or the
// template has a certificate signing request: that makes a new certificate each time.
//
// A policy that the template gives by its document gets a name made of a hash of it. If
// there is one of that name it is attached as it is.
//
// Errors: ErrInvalid (the template), ErrParameters, ErrRegistration (something cannot
// be made or is not there), ErrConflict (something is there and the template says
// FAIL; or the certificate is revoked or on its way to another account),
// ErrUpdateConflict (somebody else changed the same resources meanwhile, or the same
// certificate is being provisioned by another request).
func (s *Service) RegisterThing(ctx context.Context, templateBody string, parameters map[string]string) (Registration, error) {
	t, err := Parse(templateBody)
	if err != nil {
		return Registration{}, err
	}
	if err := checkParameters(parameters); err != nil {
		return Registration{}, err
	}
	p, err := t.Evaluate(parameters)
	if err != nil {
		return Registration{}, err
	}
	return s.apply(ctx, p)
}

func checkParameters(parameters map[string]string) error {
	if len(parameters) > maxParameters {
		return &Error{Kind: ErrParameters, Field: "parameters", Value: fmt.Sprint(len(parameters)), Want: fmt.Sprintf("at most %d", maxParameters), Message: fmt.Sprintf("there are %d parameters, expected at most %d", len(parameters), maxParameters)}
	}
	size := 0
	for k, v := range parameters {
		size += len(k) + len(v)
	}
	if size > maxParameterBytes {
		return &Error{Kind: ErrParameters, Field: "parameters", Value: fmt.Sprint(size), Want: fmt.Sprintf("at most %d bytes", maxParameterBytes), Message: fmt.Sprintf("the parameters have %d bytes, expected at most %d", size, maxParameterBytes)}
	}
	return nil
}
