package sts

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/internal/awsjson"
	"github.com/thinghub/thinghub/auth/sigv4"
)

const (
	namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	version   = "2011-06-15"
	// maxBody is how long the body of a request may be: an assertion fits in, with three
	// bytes for one.
	maxBody = 512 << 10
)

// Handler serves the operations as AWS does: POST / with a form whose Action names the
// operation, answered in XML. AssumeRoleWithWebIdentity and AssumeRoleWithSAML are for
// everybody, since what is in them proves who asks; about the others Config.Authorize is
// asked.
func (s *Service) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// A call is a request that is being answered.
type call struct {
	s    *Service
	r    *http.Request
	body []byte
	params
}

// operations by their names, with the parameters that they know.
var operations = map[string]struct {
	known []string
	do    func(c *call, ctx context.Context) (result any, err error)
}{
	"AssumeRole":                {append([]string{"RoleSessionName", "ExternalId"}, common...), (*call).assumeRole},
	"AssumeRoleWithWebIdentity": {append([]string{"RoleSessionName", "WebIdentityToken", "ProviderId"}, common...), (*call).webIdentity},
	"AssumeRoleWithSAML":        {append([]string{"PrincipalArn", "SAMLAssertion"}, common...), (*call).saml},
	"GetCallerIdentity":         {nil, (*call).callerIdentity},
}

// common are the parameters of all ways to take a role.
var common = []string{"RoleArn", "DurationSeconds", "Policy", policyMembers}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	awsjson.AllowOrigins(w.Header())
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var b [16]byte
	_, _ = rand.Read(b[:])
	id := hex.EncodeToString(b[:])
	w.Header().Set("X-Amzn-Requestid", id)
	name, result, err := s.answer(w, r)
	if err != nil {
		f := s.failure(err)
		if f.status >= http.StatusInternalServerError {
			s.cfg.Logger.Error("sts: a request failed", "action", name, "err", err)
		}
		s.write(w, f.status, errorResponse{Namespace: namespace, Error: errorBody{f.side(), f.code, f.message}, ID: id})
		return
	}
	s.write(w, http.StatusOK, response{XMLName: xml.Name{Local: name + "Response"}, Namespace: namespace, Result: result, ID: id})
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) (name string, result any, err error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		return "", nil, failure{http.StatusMethodNotAllowed, "InvalidAction", "expected POST"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", nil, failure{http.StatusUnsupportedMediaType, "InvalidAction", fmt.Sprintf("Content-Type is %.100q, expected application/x-www-form-urlencoded", r.Header.Get("Content-Type"))}
	}
	result, err = s.room.HTTP(r, "", func(ctx context.Context, n *audit.Note) (any, error) {
		body, p, err := readBody(w, r)
		if err != nil {
			return nil, err
		}
		action := p["Action"]
		if action == "" {
			return nil, failure{http.StatusBadRequest, "MissingAction", "the parameter Action is missing"}
		}
		op, found := operations[action]
		if v, there := p["Version"]; !found || there && v != version {
			return nil, failure{http.StatusBadRequest, "InvalidAction", fmt.Sprintf("Could not find operation %.100s for version %.100s", action, v)}
		}
		name = action
		n.Operation, n.Resource = action, audit.Clip(p["RoleArn"])
		if err := p.check(op.known); err != nil {
			return nil, err
		}
		return op.do(&call{s, r, body, p}, ctx)
	})
	return name, result, err
}

// readBody reads the form of a request.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, params, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, nil, failure{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	}
	if err != nil {
		return nil, nil, failure{http.StatusBadRequest, "MalformedInput", "the body ended early"}
	}
	p, err := readParams(string(body))
	return body, p, err
}

// request reads the parameters that all ways to take a role have in common.
func (c *call) request() (Request, error) {
	r := Request{Role: c.params["RoleArn"], Session: c.params["RoleSessionName"], Policy: c.params["Policy"], Secure: c.r.TLS != nil}
	if _, there := c.params["Policy"]; there && r.Policy == "" { // not the same as none
		return r, invalid("policy", "", "Member must have length greater than or equal to 1")
	}
	if a, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil {
		r.Source = a.Addr().Unmap()
	}
	var err error
	if r.Duration, err = c.duration(); err != nil {
		return r, err
	}
	r.PolicyARNs, err = c.policyARNs()
	return r, err
}

// authorize asks Config.Authorize who has signed the request, and whether they may do it.
func (c *call) authorize(ctx context.Context, action auth.Action, resource string) (*auth.Identity, error) {
	n := c.s.room.Of(ctx)
	n.Action, n.Resource = action, resource
	id, err := c.s.cfg.Authorize(audit.Apart(ctx), c.r, c.body, action, resource)
	n.By(id)
	if err == nil && id == nil {
		err = auth.ErrUnrecognised
	}
	return id, err
}

func (c *call) assumeRole(ctx context.Context) (any, error) {
	r, err := c.request()
	if err != nil {
		return nil, err
	}
	if err := c.s.check(&r); err != nil {
		return nil, err
	}
	id, err := c.authorize(ctx, "sts:AssumeRole", r.Role)
	if err != nil {
		return nil, err
	}
	external, there := c.params["ExternalId"]
	if there && external == "" {
		return nil, checkExternalID("")
	}
	a, err := c.s.AssumeRole(ctx, id, r, external)
	if err != nil {
		return nil, err
	}
	return assumeRoleResult{XMLName: resultName("AssumeRole"), assumedXML: xmlOf(&a)}, nil
}

func (c *call) webIdentity(ctx context.Context) (any, error) {
	r, err := c.request()
	if err != nil {
		return nil, err
	}
	a, err := c.s.AssumeRoleWithWebIdentity(ctx, r, c.params["WebIdentityToken"], c.params["ProviderId"])
	if err != nil {
		return nil, err
	}
	return webIdentityResult{XMLName: resultName("AssumeRoleWithWebIdentity"), assumedXML: xmlOf(&a.Assumed), Subject: a.Subject, Provider: a.Provider, Audience: a.Audience}, nil
}

func (c *call) saml(ctx context.Context) (any, error) {
	r, err := c.request()
	if err != nil {
		return nil, err
	}
	a, err := c.s.AssumeRoleWithSAML(ctx, r, c.params["PrincipalArn"], c.params["SAMLAssertion"])
	if err != nil {
		return nil, err
	}
	return samlResult{
		XMLName: resultName("AssumeRoleWithSAML"), assumedXML: xmlOf(&a.Assumed), Subject: a.Subject, SubjectType: a.SubjectType, Issuer: a.Issuer,
		Audience: a.Audience, NameQualifier: a.NameQualifier,
	}, nil
}

func (c *call) callerIdentity(ctx context.Context) (any, error) {
	id, err := c.authorize(ctx, "sts:GetCallerIdentity", "*")
	if err != nil {
		return nil, err
	}
	who := c.s.GetCallerIdentity(id)
	return callerResult{XMLName: resultName("GetCallerIdentity"), ARN: who.ARN, UserID: who.UserID, Account: who.Account}, nil
}

// A failure is an error as it is answered.
type failure struct {
	status        int
	code, message string
}

func (f failure) Error() string { return f.code + ": " + f.message }

// side says whose fault it is.
func (f failure) side() string {
	if f.status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

// queryCodes are the codes of the query protocol for those that signatures have in JSON.
var queryCodes = map[string]string{
	"InvalidSignatureException": "SignatureDoesNotMatch", "UnrecognizedClientException": "InvalidClientTokenId",
	"ExpiredTokenException": "ExpiredToken", "IncompleteSignatureException": "IncompleteSignature",
}

func (s *Service) failure(err error) failure {
	if f, ok := errors.AsType[failure](err); ok {
		return f
	}
	if e, ok := errors.AsType[*Error](err); ok {
		a := answers[e.Kind]
		return failure{a.status, a.code, e.Message}
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		f := failure{e.Status, e.Code, e.Message}
		if code, known := queryCodes[e.Code]; known {
			f.code = code
		}
		return f
	}
	switch {
	case errors.Is(err, auth.ErrDenied):
		return failure{http.StatusForbidden, "AccessDenied", awsjson.Denial(err)}
	case errors.Is(err, auth.ErrUnrecognised):
		return failure{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	case errors.Is(err, auth.ErrBadCredentials), errors.Is(err, auth.ErrNotAuthorized), errors.Is(err, auth.ErrBanned):
		return failure{http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."}
	case errors.Is(err, auth.ErrUnavailable), errors.Is(err, auth.ErrConflict):
		return failure{http.StatusServiceUnavailable, "ServiceUnavailable", "too much is going on; try again"}
	}
	return failure{http.StatusInternalServerError, "InternalFailure", "An internal error occurred"}
}

func (s *Service) write(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(v); err != nil {
		s.cfg.Logger.Error("sts: an answer cannot be written", "err", err)
		status = http.StatusInternalServerError
		b.Reset()
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who does not read it does not want it
}
