package api

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strings"
)

// An operation is one row of the API.
type operation struct {
	name    string // of AWS; "iot:"+name is the action to be allowed
	method  string
	path    string // a pattern of http.ServeMux; "" for those in cutOff
	errors  kinds  // the types of errors it has in the model
	handle  func(c *call) error
	on      func(c *call) []string     // what all has to be allowed on; default: c.resource
	roles   func(c *call) []string     // those that are given to the hub
	service string                     // default: the plane's
	open    bool                       // to strangers too: what they know is their permission
	fail    func(w *answer, f failure) // default: in the shape of AWS IoT, as an error of the model
}

// cutOff are the operations whose last segment is a topic. ServeMux would clean it.
var cutOff = []struct{ prefix, one, none string }{
	{"/topics", "Publish", ""},
	{"/retainedMessage", "GetRetainedMessage", "ListRetainedMessages"},
}

// A table is the operations of one plane. Paths are matched as they came, segment by
// segment: nothing is ever redirected, since signatures would break.
type table struct {
	api    *API
	device bool     // of the data plane
	names  []string // of the services in the scope of signatures
	mux    *http.ServeMux
	known  *http.ServeMux        // the paths of mux with any method
	cut    map[string]*operation // those that are not in mux, by name
	// slashed are the paths that may end with a slash.
	slashed map[string]bool
}

func newTable(a *API, device bool, names []string, ops []operation) *table {
	t := &table{api: a, device: device, names: names, mux: http.NewServeMux(), known: http.NewServeMux(), cut: map[string]*operation{}, slashed: map[string]bool{}}
	paths := map[string]bool{}
	for i := range ops {
		op := &ops[i]
		if op.path == "" {
			t.cut[op.name] = op
			continue
		}
		for _, pattern := range t.patterns(op.path) {
			t.mux.HandleFunc(op.method+" "+pattern, func(w http.ResponseWriter, r *http.Request) { t.serve(w.(*answer), r, op, "") })
			if !paths[pattern] {
				paths[pattern] = true
				t.known.Handle(pattern, http.NotFoundHandler()) // which is never called
			}
		}
	}
	return t
}

// patterns are those of ServeMux for a path. One that ends with a slash is the same
// without: SDKs do not agree on it.
func (t *table) patterns(path string) []string {
	bare, ok := strings.CutSuffix(path, "/")
	if !ok {
		return []string{path}
	}
	t.slashed[path] = true
	return []string{bare, path + "{$}"}
}

// A match is what a table has for a request.
type match struct {
	known bool            // it has the path
	run   func(w *answer) // it has the method too
}

// find looks a request up.
func (t *table) find(r *http.Request) match {
	escaped := r.URL.EscapedPath()
	for _, c := range cutOff {
		rest, ok := strings.CutPrefix(escaped, c.prefix)
		if !ok || rest != "" && rest[0] != '/' || t.cut[c.one] == nil {
			continue
		}
		op := t.cut[c.one]
		if c.none != "" && strings.TrimPrefix(rest, "/") == "" {
			op = t.cut[c.none]
		}
		if r.Method != op.method {
			return match{known: true}
		}
		return match{true, func(w *answer) {
			topic, err := url.PathUnescape(strings.TrimPrefix(rest, "/"))
			if err != nil {
				w.fail(invalid("topic", rest, "a percent-encoded topic"))
				return
			}
			t.serve(w, r, op, topic)
		}}
	}
	if escaped == "" || len(escaped) > 1 && path.Clean(escaped) != escaped && !t.slashed[escaped] {
		return match{}
	}
	if _, pattern := t.mux.Handler(r); pattern != "" {
		return match{true, func(w *answer) { t.mux.ServeHTTP(w, r) }}
	}
	_, pattern := t.known.Handler(r)
	return match{known: pattern != ""}
}

// A plane serves tables.
type plane struct {
	api *API
	// tables are asked in this order. Where several have an operation for a request
	// and it names none of their services, the first serves it.
	tables []*table
	next   http.Handler // serves the paths that no table has; nil: they are an error
}

// ServeHTTP finds the operation.
func (p *plane) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	m := p.find(r)
	if !m.known && p.next != nil {
		p.next.ServeHTTP(rw, r)
		return
	}
	w := &answer{ResponseWriter: rw, id: requestID()}
	w.Header().Set("X-Amzn-Requestid", w.id)
	defer func() {
		if f := recover(); f != nil {
			p.api.cfg.Logger.Error("api: panic", "path", r.URL.Path, "err", fmt.Sprint(f), "stack", string(debug.Stack()))
			w.fail(internal)
		}
	}()
	switch {
	case p.crossOrigin(w, r):
	case m.run != nil:
		m.run(w)
	case m.known:
		w.fail(failure{status: http.StatusMethodNotAllowed, kind: "MethodNotAllowedException", message: r.Method + " is not supported for this path"})
	default:
		w.fail(failure{status: http.StatusNotFound, kind: "UnknownOperationException", message: "there is no such operation"})
	}
}

// find looks a request up in all tables. Some paths are operations of several
// services, such as GET /things/{thingName}/jobs of "iot" and of "iot-jobs-data":
// there the request must say which one it means.
func (p *plane) find(r *http.Request) (best match) {
	var from *table
	for _, t := range p.tables {
		m := t.find(r)
		switch {
		case m.run == nil:
			best.known = best.known || m.known
		case from == nil || !from.has(serviceOf(r)) && t.has(serviceOf(r)):
			best, from = m, t
		}
	}
	return best
}

func (t *table) has(service string) bool { return slices.Contains(t.names, service) }

// The services that have hosts of their own: devices that ask for their jobs, and those
// that ask for credentials.
const (
	jobsService        = "iot-jobs-data"
	credentialsService = "credentials"
)

// serviceOf returns the service a request is meant for: by its host, else by the scope
// of its signature. It is "" where neither says so. Nobody has proved anything by it.
func serviceOf(r *http.Request) string {
	switch host := "." + strings.ToLower(r.Host); {
	case strings.Contains(host, ".jobs.iot."):
		return jobsService
	case strings.Contains(host, ".credentials.iot."):
		return credentialsService
	}
	_, credential, ok := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if !ok {
		credential = r.URL.Query().Get("X-Amz-Credential")
	}
	credential, _, _ = strings.Cut(credential, ",")
	// key/date/region/service/aws4_request; SigV4A has no region.
	scope := strings.Split(credential, "/")
	if n := len(scope); n >= 4 {
		return scope[n-2]
	}
	return ""
}

// crossOrigin does what browsers want for pages of other origins. It reports whether
// that was all.
func (p *plane) crossOrigin(w *answer, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	if origin == "" || len(p.api.cfg.AllowedOrigins) == 0 || !slices.ContainsFunc(p.tables, func(t *table) bool { return t.device }) {
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
		"x-amz-mqtt5-user-properties,x-amz-mqtt5-payload-format-indicator,x-amz-mqtt5-correlation-data,x-amzn-principal")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
	return true
}
