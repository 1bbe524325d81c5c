package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// dataService is the data plane as AWS calls it.
const dataService = "iotdata"

// service is what an operation belongs to, as AWS calls it.
func (c *call) service(op *operation) string {
	switch {
	case op.service != "":
		return op.service
	case c.device:
		return dataService
	default:
		return "iot"
	}
}

// audit tells how an operation ended. What devices do all day long, on the data plane, is
// told only if they may not do it.
func (c *call) audit(op *operation, err error) {
	if c.cfg.Audit == nil || op.open {
		return
	}
	e := &auth.Event{
		Time: time.Now(), Service: c.service(op), Operation: op.name, Outcome: c.outcome(err),
		RemoteAddr: c.r.RemoteAddr, User: auth.BareName(c.conn.Username), Action: c.action, Resource: c.on, Err: err,
	}
	if e.Service == dataService && (e.Outcome == auth.Accepted || e.Outcome == auth.Failed) {
		return
	}
	if c.id != nil {
		e.Principal, e.PrincipalARN = c.id.Principal, c.id.Attached()
	}
	c.cfg.Audit(e)
}

// outcome is what an answer means. The plane answers 401 for other reasons as well, AWS's;
// who is not known has no identity.
func (c *call) outcome(err error) auth.Outcome {
	f, ok := errors.AsType[failure](err)
	switch {
	case err == nil:
		return auth.Accepted
	case ok && c.id == nil && f.status == http.StatusUnauthorized:
		return auth.Refused
	case ok && f.status == http.StatusForbidden && (f.cause == nil || errors.Is(f.cause, auth.ErrDenied)):
		return auth.Forbidden
	default:
		return auth.Failed
	}
}
