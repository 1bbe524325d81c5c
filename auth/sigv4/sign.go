package sigv4

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Signer signs requests with an access key. Its methods may be called concurrently.
type Signer struct {
	// ID and Secret are the two parts of the key. They must be set.
	ID, Secret string
	// Token is the session token of temporary credentials.
	Token string
	// Region and Service are what the signature is for, such as "eu-central-1" and
	// "iotdata", or "iotdevicegateway" for MQTT over WebSocket. They must be set.
	Region, Service string
	// Now is the clock; nil stands for time.Now.
	Now func() time.Time
}

// unsigned are headers that change on the way, or say nothing about the request.
var unsigned = []string{
	"Accept-Encoding", "Authorization", "Connection", "Content-Length", "Expect", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "X-Amzn-Trace-Id",
}

// Sign adds X-Amz-Date, X-Amz-Content-Sha256, X-Amz-Security-Token if there is a token,
// and Authorization to a client's request. All its headers are signed except those that
// proxies change; do not change them afterwards. body is what will be sent. The path is
// signed without empty segments and dots, as AWS wants it.
func (s Signer) Sign(r *http.Request, body []byte) error {
	if err := s.check(); err != nil {
		return err
	}
	if r.URL == nil {
		return fmt.Errorf("sigv4: the request has no URL")
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	at := s.stamp()
	payload := hashHex(body)
	r.Header.Set(paramDate, at)
	r.Header.Set(paramPayload, payload)
	r.Header.Del(paramToken)
	if s.Token != "" {
		r.Header.Set(paramToken, s.Token)
	}
	r.Header.Del("Authorization")
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	path, rawQuery := clientTarget(r.URL)
	query, err := readQuery(rawQuery)
	if err != nil {
		return err
	}
	signed := []string{"host"}
	for name := range r.Header {
		if !slices.Contains(unsigned, name) {
			signed = append(signed, strings.ToLower(name))
		}
	}
	slices.Sort(signed)
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	m := &message{method: method, query: query, header: r.Header}
	names := strings.Join(signed, ";")
	text := m.canonical(nil, s.variant(path, bareHost(r.URL.Scheme, host)), signed, names, s.Service, payload)
	scope := s.scope(at)
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", algorithm, s.ID, scope, names, s.signature(at, scope, text)))
	return nil
}

// Presign returns rawURL with a signature in its query that is good for expires, in
// whole seconds. Only the host is signed, and that there is no body. A browser opens
// such a URL of scheme wss for MQTT:
//
//	wss://hub.example/mqtt
//
// For the service iotdevicegateway the session token stands behind what is signed, as
// AWS has it there.
func (s Signer) Presign(method, rawURL string, expires time.Duration) (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	if expires < time.Second || expires > maxExpiry {
		return "", fmt.Errorf("sigv4: expires is %v, expected %v to %v", expires, time.Second, maxExpiry)
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("sigv4: the URL is %q, expected one with a scheme and a host", shorten(rawURL))
	}
	path, rawQuery := clientTarget(u)
	query, err := readQuery(rawQuery)
	if err != nil {
		return "", err
	}
	for _, p := range query {
		if slices.ContainsFunc(params, func(name string) bool { return strings.EqualFold(name, p.name) }) {
			return "", fmt.Errorf("sigv4: the URL has the parameter %s already", p.name)
		}
	}
	at := s.stamp()
	scope := s.scope(at)
	query = append(
		query,
		param{paramAlgorithm, algorithm}, param{paramCredential, s.ID + "/" + scope}, param{paramDate, at},
		param{paramExpires, strconv.FormatInt(int64(expires/time.Second), 10)}, param{paramSigned, "host"},
	)
	if s.Token != "" && s.Service != gateway {
		query = append(query, param{paramToken, s.Token})
	}
	m := &message{method: method, query: query}
	text := m.canonical(nil, s.variant(path, bareHost(u.Scheme, u.Host)), []string{"host"}, "host", s.Service, emptyHash)
	out := string(m.appendQuery(nil, false)) + "&" + paramSignature + "=" + s.signature(at, scope, text)
	if s.Token != "" && s.Service == gateway {
		out += "&" + paramToken + "=" + encoded(s.Token)
	}
	u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery = out, "", "", false
	return u.String(), nil
}

// check names what is missing.
func (s Signer) check() error {
	for _, f := range [...]struct{ name, value string }{
		{"ID", s.ID}, {"Secret", s.Secret}, {"Region", s.Region}, {"Service", s.Service},
	} {
		if f.value == "" || (f.name != "Secret" && strings.ContainsAny(f.value, "/,; \x00\r\n")) {
			text := f.value
			if f.name == "Secret" {
				text = ""
			}
			return fmt.Errorf("sigv4: Signer.%s is %q, expected a text without slashes and blanks", f.name, text)
		}
	}
	return nil
}

func (s Signer) stamp() string {
	if s.Now == nil {
		return stamp(time.Now())
	}
	return stamp(s.Now())
}

func (s Signer) scope(at string) string {
	return at[:len(dateForm)] + "/" + s.Region + "/" + s.Service + "/" + terminator
}

func (s Signer) variant(path, host string) variant {
	if s.Service != "s3" {
		path = tidyPath(path)
	}
	return variant{path: path, host: host}
}

func (s Signer) signature(at, scope string, text []byte) string {
	return hex.EncodeToString(signature(deriveKey(s.Secret, at[:len(dateForm)], s.Region, s.Service), at, scope, text))
}

// clientTarget returns the path and the query that a client will send.
func clientTarget(u *url.URL) (path, query string) {
	if path = u.EscapedPath(); path == "" {
		path = "/"
	}
	return path, u.RawQuery
}

// bareHost is the host without the port that its scheme has anyway: so clients send it.
func bareHost(scheme, host string) string {
	switch scheme {
	case "https", "wss":
		return strings.TrimSuffix(host, ":443")
	case "http", "ws":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}
