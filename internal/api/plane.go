package api

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// An operation is one row of the API.
type operation struct {
	name    string // of AWS; "iot:"+name is the action to be allowed
	method  string
	path    string // a pattern of http.ServeMux
	handle  func(c *call) error
	allowed func(c *call) (auth.Action, string) // default: the action, on c.resource
}

// A plane is a set of operations.
type plane struct {
	api   *API
	mux   *http.ServeMux
	known *http.ServeMux        // the paths of mux with any method
	ops   map[string]*operation // those that are not in mux, by name
}

// cutOff are the operations whose last segment is a topic. ServeMux would clean it.
var cutOff = []struct{ prefix, one, none string }{
	{"/topics", "Publish", ""},
	{"/retainedMessage", "GetRetainedMessage", "ListRetainedMessages"},
}

func newPlane(a *API, tables ...[]operation) *plane {
	p := &plane{api: a, mux: http.NewServeMux(), known: http.NewServeMux(), ops: map[string]*operation{}}
	paths := map[string]bool{}
	for _, table := range tables {
		for i := range table {
			op := &table[i]
			if op.path == "" {
				p.ops[op.name] = op
				continue
			}
			p.mux.HandleFunc(op.method+" "+op.path, func(w http.ResponseWriter, r *http.Request) {
				p.serve(w.(*answer), r, op, "")
			})
			if !paths[op.path] {
				paths[op.path] = true
				p.known.HandleFunc(op.path, func(w http.ResponseWriter, r *http.Request) { wrongMethod(w.(*answer), r) })
			}
		}
	}
	p.known.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { unknown(w.(*answer)) })
	return p
}

func unknown(w *answer) {
	w.fail(failure{status: http.StatusNotFound, kind: "UnknownOperationException", message: "there is no such operation"})
}

func wrongMethod(w *answer, r *http.Request) {
	w.fail(failure{status: http.StatusMethodNotAllowed, kind: "MethodNotAllowedException", message: r.Method + " is not supported for this path"})
}

// ServeHTTP finds the operation. Nothing is ever redirected: signatures would break.
func (p *plane) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &answer{ResponseWriter: rw, id: requestID()}
	w.Header().Set("X-Amzn-Requestid", w.id)
	defer func() {
		if f := recover(); f != nil {
			p.api.cfg.Logger.Error("api: panic", "path", r.URL.Path, "err", fmt.Sprint(f), "stack", string(debug.Stack()))
			w.fail(internal)
		}
	}()
	if p.crossOrigin(w, r) {
		return
	}
	escaped := r.URL.EscapedPath()
	for _, c := range cutOff {
		rest, ok := strings.CutPrefix(escaped, c.prefix)
		if !ok || rest != "" && rest[0] != '/' || p.ops[c.one] == nil {
			continue
		}
		op := p.ops[c.one]
		if c.none != "" && strings.Trim(rest, "/") == "" {
			op = p.ops[c.none]
		}
		if r.Method != op.method {
			wrongMethod(w, r)
			return
		}
		topic, err := url.PathUnescape(strings.TrimPrefix(rest, "/"))
		if err != nil {
			w.fail(invalid("topic", rest, "a percent-encoded topic"))
			return
		}
		p.serve(w, r, op, topic)
		return
	}
	if len(escaped) > 1 && path.Clean(escaped) != escaped || escaped == "" {
		unknown(w)
		return
	}
	if _, pattern := p.mux.Handler(r); pattern == "" {
		p.known.ServeHTTP(w, r)
		return
	}
	p.mux.ServeHTTP(w, r)
}

// crossOrigin does what browsers want for pages of other origins. It reports whether
// that was all.
func (p *plane) crossOrigin(w *answer, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	if origin == "" || p.ops["Publish"] == nil || len(p.api.cfg.AllowedOrigins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !slices.Contains(p.api.cfg.AllowedOrigins, "*") && !slices.Contains(p.api.cfg.AllowedOrigins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "x-amzn-errortype,x-amzn-requestid")
	if r.Method != http.MethodOptions {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET,POST,DELETE,PUT,PATCH")
	h.Set("Access-Control-Allow-Headers", "authorization,content-type,x-amz-date,x-amz-security-token,x-amz-user-agent,x-amz-content-sha256,amz-sdk-invocation-id,amz-sdk-request,"+
		"x-amz-mqtt5-user-properties,x-amz-mqtt5-payload-format-indicator,x-amz-mqtt5-correlation-data")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// serve runs an operation for somebody who may ask for it.
func (p *plane) serve(w *answer, r *http.Request, op *operation, topic string) {
	c := &call{API: p.api, answer: w, r: r, topic: topic}
	if err := c.begin(op); err != nil {
		w.fail(failureOf(err))
		return
	}
	if err := op.handle(c); err != nil {
		f := failureOf(err)
		if f.status >= http.StatusInternalServerError {
			p.api.cfg.Logger.Warn("api: operation failed", "operation", op.name, "err", err)
		}
		w.fail(f)
	}
}

// A call is one request for an operation.
type call struct {
	*API
	answer *answer
	r      *http.Request
	topic  string // of the operations whose path ends in one
	id     *auth.Identity
}

// begin finds out who asks, and whether they may.
func (c *call) begin(op *operation) error {
	ctx := c.r.Context()
	creds := credentials(c.r)
	id, err := c.cfg.Authenticator.Authenticate(ctx, creds)
	switch {
	case err != nil && (errors.Is(err, auth.ErrBadCredentials) || errors.Is(err, auth.ErrNotAuthorized) || errors.Is(err, auth.ErrBanned) || errors.Is(err, auth.ErrBadMethod)):
		return unauthorized
	case err != nil || id == nil:
		c.cfg.Logger.Warn("api: authentication failed", "remote", c.r.RemoteAddr, "err", err)
		return failure{status: http.StatusServiceUnavailable, kind: "ServiceUnavailableException", message: "authentication is not possible at the moment"}
	}
	c.id = id
	action, resource := auth.Action("iot:"+op.name), c.resource()
	if op.allowed != nil {
		action, resource = op.allowed(c)
	}
	return c.allow(action, resource)
}

// allow asks the authorizer about one action.
func (c *call) allow(action auth.Action, resource string) error {
	creds := credentials(c.r)
	err := c.cfg.Authorizer.Authorize(c.r.Context(), c.id, &auth.Request{
		Action: action, Resource: resource, Conn: auth.Conn{RemoteAddr: creds.RemoteAddr, Username: creds.Username},
	})
	if err == nil {
		return nil
	}
	c.cfg.Logger.Debug("api: denied", "principal", c.id.Principal, "action", action, "resource", resource, "err", err)
	if !errors.Is(err, auth.ErrDenied) {
		c.cfg.Logger.Warn("api: authorizer failed", "action", action, "err", err)
	}
	if action == auth.DeleteConnection {
		return failure{status: http.StatusForbidden, kind: "ForbiddenException", message: "not authorized to perform " + string(action)}
	}
	return failure{status: http.StatusUnauthorized, kind: "UnauthorizedException", message: "not authorized to perform " + string(action)}
}

// kinds are the path parameters that name a resource, with the type of the resource.
var kinds = []struct{ param, kind string }{
	{"thingName", "thing/"},
	{"thingTypeName", "thingtype/"},
	{"thingGroupName", "thinggroup/"},
	{"billingGroupName", "billinggroup/"},
	{"indexName", "index/"},
}

// resource is what a policy names: the resource's part of its ARN.
func (c *call) resource() string {
	for _, k := range kinds {
		if v := c.r.PathValue(k.param); v != "" {
			return k.kind + v
		}
	}
	return "*"
}

func (c *call) path(name string) string { return c.r.PathValue(name) }

// queryInt reads a number from the query, byDefault if it is absent.
func (c *call) queryInt(name string, byDefault, low, high int) (int, error) {
	v := c.r.URL.Query().Get(name)
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
	v := c.r.URL.Query().Get(name)
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

func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	t := hex.EncodeToString(b[:])
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}
