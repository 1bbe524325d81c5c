package userpool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
)

const (
	targetPrefix = "AWSCognitoIdentityProviderService."
	contentType  = "application/x-amz-json-1.1"
	keysPath     = "/.well-known/jwks.json"
	configPath   = "/.well-known/openid-configuration"
)

// Handler serves user pools over HTTP: the operations, as POST with X-Amz-Target, at any
// path that ends with a slash; and for each pool its keys at
// /POOL/.well-known/jwks.json and what OpenID Connect clients look for at
// /POOL/.well-known/openid-configuration. Where Config.Issuer has a path, mount it there
// with http.StripPrefix.
//
// Operations of users need no signature; those of administrators ask Config.Authorize.
// The address that failures count by is that of the request, so behind a proxy that is
// to be put there before.
func (s *Service) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// A problem is an error that has no [Error].
type problem struct {
	status        int
	kind, message string
	cause         error // not for who asked; nil: none
}

func (p problem) Error() string { return p.kind + ": " + p.message }

func (p problem) Unwrap() error { return p.cause }

func malformed(message string) problem {
	return problem{status: http.StatusBadRequest, kind: "SerializationException", message: message}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// Apps in browsers ask from anywhere; no cookie makes their calls anything special.
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "x-amzn-ErrorType, x-amzn-ErrorMessage, x-amzn-RequestId")
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Method == http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "POST, GET, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "content-type, x-amz-target, x-amz-user-agent, x-amz-date, x-amz-security-token, authorization, amz-sdk-invocation-id, amz-sdk-request, x-amz-content-sha256, cache-control")
		h.Set("Access-Control-Max-Age", "172800")
		w.WriteHeader(http.StatusOK)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.serveKeys(w, r)
	case r.Method != http.MethodPost:
		h.Set("Allow", "POST, GET, OPTIONS")
		s.fail(w, problem{status: http.StatusMethodNotAllowed, kind: "UnknownOperationException", message: "The method is " + shorten(r.Method) + ", expected POST"})
	case !strings.HasSuffix(r.URL.Path, "/") && r.URL.Path != "":
		s.fail(w, problem{status: http.StatusNotFound, kind: "UnknownOperationException", message: "There is nothing at this path, expected /"})
	default:
		h.Set("Cache-Control", "no-store")
		out, err := s.operate(r)
		if err != nil {
			s.fail(w, err)
			return
		}
		s.answer(w, http.StatusOK, contentType, out)
	}
}

// operate reads a request and does what it asks for.
func (s *Service) operate(r *http.Request) (any, error) {
	target := r.Header.Get("X-Amz-Target")
	name, ok := strings.CutPrefix(target, targetPrefix)
	op, known := operations[name]
	if !ok || !known {
		name = ""
	}
	return s.room.HTTP(r, name, func(ctx context.Context, _ *audit.Note) (any, error) {
		if name == "" {
			return nil, problem{status: http.StatusBadRequest, kind: "UnknownOperationException", message: "X-Amz-Target is " + shorten(target) + ", expected " + targetPrefix + " and an operation that is offered"}
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, s.cfg.MaxBody+1))
		if err != nil {
			return nil, malformed("The body could not be read")
		}
		if int64(len(body)) > s.cfg.MaxBody {
			return nil, problem{status: http.StatusRequestEntityTooLarge, kind: "SerializationException", message: "The body is too long"}
		}
		if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			ctx = WithAddr(ctx, net.TCPAddrFromAddrPort(addr))
		}
		return op.run(ctx, s, r, body, op.signed)
	})
}

// decode reads the body of a request. What is not known in it is left aside, as SDKs
// send things that are of no use here.
func decode(body []byte, in any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if trimmed := bytes.TrimSpace(body); trimmed[0] != '{' {
		return malformed("The body is not a JSON object")
	}
	if err := json.Unmarshal(body, in); err != nil {
		// The text of err could repeat a password.
		message := "The body is not JSON"
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			message = "The member " + shorten(e.Field) + " is a JSON " + e.Value + ", expected " + e.Type.Kind().String()
		}
		return malformed(message)
	}
	return nil
}

// authorize asks whether somebody may use an operation of administrators.
func (s *Service) authorize(ctx context.Context, r *http.Request, body []byte, pool string) error {
	n := s.room.Of(ctx)
	n.Action = auth.Action("cognito-idp:" + n.Operation)
	resource := "*"
	if pool != "" {
		if !poolID.MatchString(pool) || len(pool) > 55 {
			return invalid("UserPoolId", pool, "the id of a pool, such as eu-central-1_AbCdEfGhI")
		}
		resource = s.ARN(pool)
	}
	n.Resource = resource
	denied := problem{status: http.StatusBadRequest, kind: "AccessDeniedException"}
	if s.cfg.Authorize == nil {
		denied.message = "Nobody may use " + string(n.Action) + " over HTTP here"
		denied.cause = &auth.Denied{Action: n.Action, Resource: resource, Reason: "Config.Authorize is not set, so nobody may"}
		return denied
	}
	id, err := s.cfg.Authorize(audit.Apart(ctx), r, body, n.Action, resource)
	n.By(id)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrDenied):
		denied.message, denied.cause = "Not authorized to perform "+string(n.Action)+" on resource "+resource, err
		return denied
	case auth.OutcomeOf(err) == auth.Refused:
		return problem{http.StatusBadRequest, "UnrecognizedClientException", "The signature of the request is not accepted", err}
	default:
		return unavailable(err)
	}
}

// fail answers with an error.
func (s *Service) fail(w http.ResponseWriter, err error) {
	p, ok := errors.AsType[problem](err)
	if e, is := errors.AsType[*Error](err); is && !ok {
		p, ok = problem{status: http.StatusBadRequest, kind: e.Exception(), message: e.Message}, true
	}
	switch {
	case ok:
	case errors.Is(err, auth.ErrUnavailable):
		p = problem{status: http.StatusServiceUnavailable, kind: "ServiceUnavailableException", message: "Too many requests, or a part of the service cannot be reached; try again."}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = problem{status: http.StatusServiceUnavailable, kind: "ServiceUnavailableException", message: "The request has ended."}
	default:
		p = problem{status: http.StatusInternalServerError, kind: "InternalErrorException", message: "internal failure"}
		s.cfg.Logger.Warn("userpool: a request failed", "err", err)
	}
	w.Header().Set("X-Amzn-Errortype", p.kind)
	s.answer(w, p.status, contentType, struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{p.kind, p.message})
}

func (s *Service) answer(w http.ResponseWriter, status int, kind string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.cfg.Logger.Warn("userpool: an answer could not be written", "err", err)
		http.Error(w, "internal failure", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Amzn-Requestid", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// serveKeys serves the documents of a pool.
func (s *Service) serveKeys(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	pool, keys := strings.CutSuffix(path, keysPath)
	if !keys {
		var config bool
		if pool, config = strings.CutSuffix(path, configPath); !config {
			http.NotFound(w, r)
			return
		}
	}
	p, _, err := s.pool(r.Context(), pool)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalid) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if keys {
		set, err := s.keys.public(r.Context(), p.id)
		if err != nil {
			w.Header().Del("Cache-Control")
			s.fail(w, err)
			return
		}
		s.answer(w, http.StatusOK, "application/json", set)
		return
	}
	about := map[string]any{
		"issuer":                                s.IssuerOf(p.id),
		"jwks_uri":                              s.IssuerOf(p.id) + keysPath,
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"subject_types_supported":               []string{"public"},
		"response_types_supported":              []string{"code", "token"},
		"scopes_supported":                      []string{"openid", "email", "phone", "profile"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "email", "email_verified", "phone_number", "phone_number_verified"},
	}
	if at := s.HostedURL(p.id); at != "" {
		maps.Copy(about, map[string]any{
			"authorization_endpoint":                         at + "/oauth2/authorize",
			"token_endpoint":                                 at + "/oauth2/token",
			"userinfo_endpoint":                              at + "/oauth2/userInfo",
			"revocation_endpoint":                            at + "/oauth2/revoke",
			"end_session_endpoint":                           at + "/logout",
			"response_types_supported":                       []string{"code"},
			"response_modes_supported":                       []string{"query"},
			"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
			"scopes_supported":                               pageScopes,
			"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "none"},
			"revocation_endpoint_auth_methods_supported":     []string{"client_secret_basic", "client_secret_post", "none"},
			"code_challenge_methods_supported":               []string{"S256"},
			"prompt_values_supported":                        []string{"none", "login", "select_account", "consent"},
			"authorization_response_iss_parameter_supported": true,
		})
	}
	s.answer(w, http.StatusOK, "application/json", about)
}
