package api

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/registry"
)

// A call is one request for an operation.
type call struct {
	*API
	device bool // the operation is of the data plane
	answer *answer
	r      *http.Request
	query  url.Values
	topic  string         // of the operations whose path ends in one
	id     *auth.Identity // nil if the operation is open
	conn   auth.Conn      // where the request comes from
	action auth.Action    // that the authorizer was asked about last
	on     string         // its resource

	limit   int64 // of the body, negative for none
	wasRead bool
	body    []byte
	unread  error // why body is not there
}

// serve runs an operation for somebody who may ask for it.
func (t *table) serve(w *answer, r *http.Request, op *operation, topic string) {
	c := &call{API: t.api, device: t.device, answer: w, r: r, topic: topic, limit: t.api.cfg.MaxBody}
	if op.name == "Publish" {
		c.limit = t.api.cfg.MaxPublish
	}
	err := c.begin(op)
	if err == nil {
		err = op.handle(c)
	}
	c.audit(op, err)
	if err == nil {
		return
	}
	f := failureOf(err)
	if f.status >= http.StatusInternalServerError {
		c.cfg.Logger.Warn("api: operation failed", "operation", op.name, "err", err)
	}
	if op.fail != nil {
		op.fail(w, f)
		return
	}
	w.fail(op.errors.fit(f))
}

// begin finds out who asks, for what, and whether they may.
func (c *call) begin(op *operation) error {
	if op.open {
		return nil
	}
	creds := credentials(c.r)
	creds.Body = c.read
	c.conn = auth.Conn{RemoteAddr: creds.RemoteAddr, Username: creds.Username}
	if t := c.r.TLS; t != nil {
		c.conn.Secure, c.conn.ServerName = true, t.ServerName
	}
	id, err := c.cfg.Authenticator.Authenticate(c.r.Context(), creds)
	switch {
	case err != nil && c.unread != nil:
		return c.unread
	case err != nil && (errors.Is(err, auth.ErrBadCredentials) || errors.Is(err, auth.ErrNotAuthorized) || errors.Is(err, auth.ErrBanned) || errors.Is(err, auth.ErrBadMethod)):
		return c.unauthorized(err)
	case err != nil || id == nil:
		return fmt.Errorf("%w: %w", errUnavailable, err)
	}
	c.id = id
	if err := c.sameSite(); err != nil {
		return err
	}
	// What cannot be read must not be taken for absent: a shadow's name, say.
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: "the query cannot be read: " + err.Error()}
	}
	return c.allowed(op)
}

// allowed asks whether c.id may run an operation: on each resource that it is about, and
// whether it may give away the roles that it names.
func (c *call) allowed(op *operation) error {
	action, resources := auth.Action("iot:"+op.name), []string{c.resource()}
	if op.on != nil {
		resources = op.on(c)
	}
	for i, r := range resources {
		switch action {
		case auth.Publish, auth.GetRetainedMessage, auth.DeleteConnection: // topics and client ids begin as they like
		default:
			resources[i] = strings.TrimPrefix(r, c.cfg.Scope.IoT("")) // as those of paths
		}
		if err := c.allow(action, resources[i]); err != nil {
			return err
		}
	}
	if op.roles != nil && c.cfg.PassRole {
		for _, r := range op.roles(c) {
			if err := c.allow("iam:PassRole", r); err != nil {
				return err
			}
		}
	}
	c.action, c.on = action, resources[0]
	return nil
}

// sameSite refuses what a web page of another origin has a browser do, unless the origin is
// an allowed one. Only what is signed is surely what somebody with the key wanted: passwords,
// certificates and the way to a hub that lets in everybody are what any page can make use
// of.
func (c *call) sameSite() error {
	switch c.id.Kind {
	case auth.IAM, auth.Authenticated, auth.Guest:
		return nil
	default:
	}
	if slices.Contains(c.cfg.AllowedOrigins, "*") || c.pages.Check(c.r) == nil {
		return nil
	}
	return failure{status: http.StatusForbidden, kind: "ForbiddenException", message: "web pages of this origin may not do that"}
}

// unauthorized is the answer to somebody who is not known.
func (c *call) unauthorized(err error) failure {
	f := failure{status: http.StatusUnauthorized, kind: "UnauthorizedException", message: "the request is not signed by anybody who is known here", cause: err}
	if c.device {
		f.message = "Unauthorized" // the text of AWS, which devices may look at
	}
	return f
}

// allow asks the authorizer about one action.
func (c *call) allow(action auth.Action, resource string) error {
	c.action, c.on = action, resource
	err := c.cfg.Authorizer.Authorize(c.r.Context(), c.id, &auth.Request{Action: action, Resource: resource, Conn: c.conn})
	if err == nil {
		return nil
	}
	if !errors.Is(err, auth.ErrDenied) {
		c.cfg.Logger.Warn("api: authorizer failed", "action", action, "err", err)
	}
	if c.device {
		return failure{status: http.StatusForbidden, kind: "ForbiddenException", message: "Forbidden", cause: err}
	}
	return failure{
		status: http.StatusForbidden, kind: "UnauthorizedException", cause: err,
		message: fmt.Sprintf("%s is not authorized to perform %s on %s", c.id.Principal, action, resource),
	}
}

func (c *call) path(name string) string { return c.r.PathValue(name) }

// queryInt reads a number from the query, byDefault if it is absent.
func (c *call) queryInt(name string, byDefault, low, high int) (int, error) {
	v := c.query.Get(name)
	if v == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return 0, invalid(name, v, fmt.Sprintf("a number from %d to %d", low, high))
	}
	return n, nil
}

// queryBool reads true or false, in any case, from the query.
func (c *call) queryBool(name string) (bool, error) {
	v := c.query.Get(name)
	switch strings.ToLower(v) {
	case "":
		return false, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, invalid(name, v, "true or false")
}

// queryVersion reads expectedVersion from the query.
func (c *call) queryVersion() (*int64, error) {
	v := c.query.Get("expectedVersion")
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return nil, invalid("expectedVersion", v, "a number")
	}
	return &n, nil
}

// page reads maxResults and nextToken from the query.
func (c *call) page(most int) (registry.Page, error) {
	n, err := c.queryInt("maxResults", 0, 1, most)
	return registry.Page{Max: n, Token: c.query.Get("nextToken")}, err
}

func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	t := hex.EncodeToString(b[:])
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}
