package custom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/thinghub/thinghub/auth"
)

// A Function decides for authorizers.
//
// Authorize is called for each login, and again to refresh policies. ctx ends after
// Config.Timeout. Who is refused gets IsAuthenticated false. An error is a failure, after
// which the client may try again, unless it wraps one of the refusals of package auth. A
// panic is a failure too. Safe for concurrent use. What was returned must not be modified.
type Function interface {
	Authorize(ctx context.Context, r *Request) (*Response, error)
}

// A Func is a [Function].
type Func func(ctx context.Context, r *Request) (*Response, error)

// Authorize calls f.
func (f Func) Authorize(ctx context.Context, r *Request) (*Response, error) { return f(ctx, r) }

// A Request is what a function gets: in Go, or as JSON. It must not be modified.
type Request struct {
	// Token is the client's, empty if there was none.
	Token string `json:"token,omitempty"`
	// SignatureVerified says that the token was signed, and well.
	SignatureVerified bool `json:"signatureVerified"`
	// Protocols are those in use, from the outside in: "tls", "http", "mqtt".
	Protocols    []string     `json:"protocols"`
	ProtocolData ProtocolData `json:"protocolData"`
	// ConnectionMetadata tells logins apart.
	ConnectionMetadata ConnectionMetadata `json:"connectionMetadata"`
}

// ProtocolData is what the protocols brought along; nil where one is not in use.
type ProtocolData struct {
	TLS  *TLSData  `json:"tls,omitempty"`
	HTTP *HTTPData `json:"http,omitempty"`
	MQTT *MQTTData `json:"mqtt,omitempty"`
}

// TLSData is about TLS.
type TLSData struct {
	// ServerName is the name by which the client asked for the server (SNI).
	ServerName string `json:"serverName,omitempty"`
}

// HTTPData is about a request, or the one that a WebSocket began with.
type HTTPData struct {
	// Headers are by their canonical names, such as "Content-Type", several of a name
	// with commas between them.
	Headers map[string]string `json:"headers,omitempty"`
	// QueryString is empty or begins with a question mark.
	QueryString string `json:"queryString,omitempty"`
}

// MQTTData is what CONNECT has.
type MQTTData struct {
	// Username is as the client sent it, parameters and all.
	Username string `json:"username,omitempty"`
	// Password is base64 in JSON.
	Password []byte `json:"password,omitempty"`
	ClientID string `json:"clientId,omitempty"`
}

// ConnectionMetadata is about the connection.
type ConnectionMetadata struct {
	// ID is another one for each login; refreshes have that of their login.
	ID string `json:"id"`
}

// A Response is what a function answers.
type Response struct {
	// IsAuthenticated false refuses; the rest is not looked at then.
	IsAuthenticated bool `json:"isAuthenticated"`
	// PrincipalID has 1 to 128 letters and digits.
	PrincipalID string `json:"principalId"`
	// PolicyDocuments are 1 to 10, each of at most 2048 characters without white space.
	PolicyDocuments []Document `json:"policyDocuments"`
	// DisconnectAfterInSeconds is when the connection ends, and RefreshAfterInSeconds
	// when the function is asked again: 300 to 86400. What is beyond counts as the
	// nearest of the two, and what is absent as 300.
	DisconnectAfterInSeconds int `json:"disconnectAfterInSeconds"`
	RefreshAfterInSeconds    int `json:"refreshAfterInSeconds"`
}

// A Document is the JSON text of a policy document. In JSON it may be an object or a
// string that holds one.
type Document string

// UnmarshalJSON reads an object or a string.
func (d *Document) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(d))
	}
	*d = Document(b)
	return nil
}

const (
	maxDocuments  = 10
	maxDocument   = 2048
	leastInterval = 300
	mostInterval  = 86400
)

var principalID = regexp.MustCompile(`^[a-zA-Z0-9]{1,128}$`)

// checked returns an answer with its intervals within bounds, or what is wrong with it.
func (s *Service) checked(r *Response) (*Response, error) {
	if r == nil {
		return nil, failed(ErrInvalidResponse, "the function answered with nothing, expected a response")
	}
	if !r.IsAuthenticated {
		return &Response{}, nil
	}
	if !principalID.MatchString(r.PrincipalID) {
		return nil, badResponse("principalId", r.PrincipalID, "1 to 128 letters and digits")
	}
	if n := len(r.PolicyDocuments); n < 1 || n > maxDocuments {
		return nil, badResponse("policyDocuments", fmt.Sprintf("%d documents", n), fmt.Sprintf("1 to %d", maxDocuments))
	}
	for i, d := range r.PolicyDocuments {
		field, text := fmt.Sprintf("policyDocuments[%d]", i), string(d)
		if n := size(text); n > maxDocument {
			return nil, badResponse(field, text, fmt.Sprintf("at most %d characters without white space, it has %d", maxDocument, n))
		}
		if !utf8.ValidString(text) || !json.Valid([]byte(text)) || !strings.HasPrefix(strings.TrimSpace(text), "{") {
			return nil, badResponse(field, text, "a policy document: a JSON object, or a string with one")
		}
		if err := s.cfg.CheckPolicy(text); err != nil {
			e := badResponse(field, text, "a policy document: "+err.Error())
			e.Cause = err
			return nil, e
		}
	}
	out := *r
	out.DisconnectAfterInSeconds = min(max(r.DisconnectAfterInSeconds, leastInterval), mostInterval)
	out.RefreshAfterInSeconds = min(max(r.RefreshAfterInSeconds, leastInterval), mostInterval)
	return &out, nil
}

// size counts characters without white space.
func size(text string) (n int) {
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// function returns the function of that ARN or name.
func (s *Service) function(name string) Function {
	if f := s.cfg.Functions[name]; f != nil {
		return f
	}
	if _, rest, ok := strings.Cut(name, ":function:"); ok {
		bare, _, _ := strings.Cut(rest, ":") // without a version
		return s.cfg.Functions[bare]
	}
	return nil
}

// call asks a function. The error is of kind ErrInvalidResponse, or wraps
// auth.ErrUnavailable if too many calls go on.
func (s *Service) call(ctx context.Context, name string, r *Request) (*Response, error) {
	f := s.function(name)
	if f == nil {
		return nil, failed(ErrInvalidResponse, "there is no function %s, expected one of Config.Functions", shorten(name))
	}
	select {
	case s.calls <- struct{}{}:
	default:
		return nil, fmt.Errorf("%w: %d calls of authorizer functions go on", auth.ErrUnavailable, cap(s.calls))
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	type result struct {
		r   *Response
		err error
	}
	// The function may not care for ctx. It keeps its place among the calls then, and
	// this goroutine ends with it.
	done := make(chan result, 1)
	go func() {
		defer func() { <-s.calls }()
		res := result{err: errors.New("the function ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				res = result{err: fmt.Errorf("panic: %v", p)}
			}
			done <- res
		}()
		res.r, res.err = f.Authorize(ctx, r)
	}()
	var res result
	select {
	case res = <-done:
	case <-ctx.Done():
		res.err = fmt.Errorf("no answer: %w", ctx.Err())
	}
	if res.err != nil {
		e := failed(ErrInvalidResponse, "the function %s failed: %v", shorten(name), res.err)
		e.Cause = res.err
		return nil, e
	}
	return s.checked(res.r)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
