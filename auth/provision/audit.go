package provision

import (
	"errors"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// operationNames are those of AWS.
var operationNames = map[operation]string{
	createKeys: "CreateKeysAndCertificate", createFromCSR: "CreateCertificateFromCsr", provision: "RegisterThing",
}

// audit tells how a request ended.
func (s *Service) audit(op operation, template string, by Requester, err error) {
	e := &auth.Event{
		Time: time.Now(), Service: "provision", Operation: operationNames[op], Principal: by.Principal, ClientID: by.ClientID,
		Resource: template, Err: err,
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrDenied):
		e.Outcome = auth.Forbidden
	default:
		e.Outcome = auth.Failed
	}
	s.cfg.Audit(e)
}
