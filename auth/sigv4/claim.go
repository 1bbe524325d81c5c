package sigv4

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	algorithmA = "AWS4-ECDSA-P256-SHA256"
	terminator = "aws4_request"
	timeForm   = "20060102T150405Z"
	dateForm   = "20060102"
)

// The parameters of a presigned URL.
const (
	paramAlgorithm  = "X-Amz-Algorithm"
	paramCredential = "X-Amz-Credential"
	paramDate       = "X-Amz-Date"
	paramExpires    = "X-Amz-Expires"
	paramSigned     = "X-Amz-SignedHeaders"
	paramSignature  = "X-Amz-Signature"
	paramToken      = "X-Amz-Security-Token"
	paramPayload    = "X-Amz-Content-Sha256"
)

var params = []string{paramAlgorithm, paramCredential, paramDate, paramExpires, paramSigned, paramSignature, paramToken, paramPayload}

// A claim is what a signature says about itself.
type claim struct {
	presigned bool
	id        string
	// scope is day/region/service/aws4_request.
	scope, day, region, service string
	at                          time.Time
	stamp                       string        // at, as it was signed
	expires                     time.Duration // 0: not said
	signed                      []string      // the signed headers
	signedText                  string
	signature                   []byte
	token                       string
	payload                     string // the hash of the body, or a word for it; empty: not said
}

// read takes a request apart. The claim is nil if it has no signature.
func read(r *http.Request) (*message, *claim, error) {
	var header string
	for _, v := range r.Header["Authorization"] {
		if !strings.HasPrefix(v, "AWS4-") {
			continue
		}
		if len(r.Header["Authorization"]) > 1 {
			return nil, nil, incomplete("Authorization is there %d times, expected one", len(r.Header["Authorization"]))
		}
		header = v
	}
	path, rawQuery := target(r)
	if header == "" && !mentions(rawQuery) {
		return nil, nil, nil
	}
	query, err := readQuery(rawQuery)
	if err != nil {
		return nil, nil, err
	}
	m := &message{method: r.Method, path: path, query: query, header: r.Header, length: r.ContentLength}
	presigned, err := m.presigned()
	switch {
	case err != nil:
		return nil, nil, err
	case header != "" && presigned:
		return nil, nil, incomplete("there is a signature in the Authorization header and one in the query, expected one of them")
	case header != "":
		cl, err := m.readHeader(header)
		return m, cl, err
	case presigned:
		cl, err := m.readParams()
		return m, cl, err
	}
	return nil, nil, nil
}

// mentions says whether a query has a parameter of a signature in plain text: nobody
// encodes their names.
func mentions(rawQuery string) bool {
	if len(rawQuery) < len(paramDate) {
		return false
	}
	lower := strings.ToLower(rawQuery)
	return strings.Contains(lower, "x-amz-") && slices.ContainsFunc(params, func(name string) bool {
		return !beside(name) && strings.Contains(lower, strings.ToLower(name)+"=")
	})
}

// beside says whether a parameter may be there without a signature in the query.
func beside(name string) bool { return name == paramToken || name == paramPayload }

// target returns the path and the query that the client asked for: the URL of the
// request may have been rewritten on its way to the hub's handler.
func target(r *http.Request) (path, query string) {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, query, _ = strings.Cut(r.RequestURI, "?")
		return path, query
	}
	if r.URL == nil {
		return "/", ""
	}
	return clientTarget(r.URL)
}

// presigned reports whether the query has a signature. Parameters of signatures are
// there once, in their own spelling.
func (m *message) presigned() (bool, error) {
	found := false
	for i, p := range m.query {
		at := slices.IndexFunc(params, func(name string) bool { return strings.EqualFold(name, p.name) })
		if at < 0 {
			continue
		}
		if p.name != params[at] {
			return false, incomplete("the parameter %q is not known, expected the spelling %s", p.name, params[at])
		}
		for _, q := range m.query[:i] {
			if q.name == p.name {
				return false, incomplete("the parameter %s is there twice", p.name)
			}
		}
		found = found || !beside(p.name)
	}
	return found, nil
}

// readHeader reads the Authorization header.
func (m *message) readHeader(header string) (*claim, error) {
	alg, rest, _ := strings.Cut(header, " ")
	if err := checkAlgorithm("the Authorization header", alg); err != nil {
		return nil, err
	}
	var credential, signed, signature *string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		var to **string
		switch name {
		case "Credential":
			to = &credential
		case "SignedHeaders":
			to = &signed
		case "Signature":
			to = &signature
		default:
			return nil, incomplete("the Authorization header has %q, expected Credential, SignedHeaders and Signature", shorten(name))
		}
		if *to != nil {
			return nil, incomplete("the Authorization header has %s twice", name)
		}
		*to = &value
	}
	for _, f := range [...]struct {
		name  string
		value *string
	}{{"Credential", credential}, {"SignedHeaders", signed}, {"Signature", signature}} {
		if f.value == nil {
			return nil, incomplete("the Authorization header has no %s", f.name)
		}
	}
	cl := &claim{}
	if err := cl.read(*credential, *signed, *signature); err != nil {
		return nil, err
	}
	var err error
	if cl.token, err = m.one(paramToken); err != nil {
		return nil, err
	}
	if cl.payload, err = m.one(paramPayload); err != nil {
		return nil, err
	}
	return cl, m.readDate(cl)
}

// readDate reads the time of a request with a header. X-Amz-Date counts more than Date.
func (m *message) readDate(cl *claim) error {
	text, err := m.one(paramDate)
	if err != nil {
		return err
	}
	if text != "" {
		return cl.readTime(paramDate, text)
	}
	if text, err = m.one("Date"); err != nil {
		return err
	}
	if text == "" {
		return incomplete("there is no X-Amz-Date header and no Date header")
	}
	if at, err := http.ParseTime(text); err == nil {
		cl.at, cl.stamp = at.UTC(), at.UTC().Format(timeForm)
		return cl.checkDay()
	}
	return cl.readTime("Date", text)
}

// readParams reads the parameters of a presigned URL.
func (m *message) readParams() (*claim, error) {
	v := map[string]string{}
	for _, p := range m.query {
		if slices.Contains(params, p.name) {
			v[p.name] = p.value
		}
	}
	for _, name := range []string{paramAlgorithm, paramCredential, paramDate, paramSigned, paramSignature} {
		if v[name] == "" {
			return nil, incomplete("the query has no %s", name)
		}
	}
	if err := checkAlgorithm(paramAlgorithm, v[paramAlgorithm]); err != nil {
		return nil, err
	}
	cl := &claim{presigned: true, token: v[paramToken], payload: v[paramPayload]}
	if err := cl.read(v[paramCredential], v[paramSigned], v[paramSignature]); err != nil {
		return nil, err
	}
	for _, f := range [...]struct {
		name string
		to   *string
	}{{paramToken, &cl.token}, {paramPayload, &cl.payload}} {
		h, err := m.one(f.name)
		switch {
		case err != nil:
			return nil, err
		case h != "" && *f.to != "" && h != *f.to:
			return nil, incomplete("%s in the query and in the header differ", f.name)
		case h != "":
			*f.to = h
		}
	}
	if text, there := v[paramExpires]; there {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n == 0 {
			return nil, incomplete("%s is %q, expected a number of seconds above 0", paramExpires, shorten(text))
		}
		cl.expires = time.Duration(n) * time.Second
	}
	return cl, cl.readTime(paramDate, v[paramDate])
}

// one returns the value of a header that is there once, or not at all.
func (m *message) one(name string) (string, error) {
	values := m.header[name]
	if len(values) > 1 {
		return "", incomplete("the header %s is there %d times", name, len(values))
	}
	if len(values) == 0 {
		return "", nil
	}
	return strings.TrimSpace(values[0]), nil
}

func checkAlgorithm(where, alg string) error {
	switch {
	case alg == algorithm:
		return nil
	case strings.HasPrefix(alg, algorithmA):
		return incomplete("%s is %q: Signature Version 4A is not supported, expected %s", where, shorten(alg), algorithm)
	}
	return incomplete("%s is %q, expected %s", where, shorten(alg), algorithm)
}

// read reads what both forms have in common.
func (cl *claim) read(credential, signed, signature string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") || len(parts[0]) > maxKeyID || parts[4] != terminator {
		return incomplete("Credential is %q, expected KEY/YYYYMMDD/REGION/SERVICE/%s", shorten(credential), terminator)
	}
	cl.id, cl.day, cl.region, cl.service = parts[0], parts[1], parts[2], parts[3]
	cl.scope = credential[len(cl.id)+1:]

	cl.signedText, cl.signed = signed, strings.Split(signed, ";")
	for i, name := range cl.signed {
		if !isHeaderName(name) || (i > 0 && name <= cl.signed[i-1]) {
			return incomplete("SignedHeaders is %q, expected names of headers in lower case, in order, with ; between them", shorten(signed))
		}
	}
	if !slices.Contains(cl.signed, "host") {
		return incomplete("SignedHeaders is %q, expected host among them", shorten(signed))
	}

	sum, err := hex.DecodeString(signature)
	if err != nil || len(sum) != 32 || strings.ToLower(signature) != signature {
		return incomplete("Signature is %q, expected 64 hexadecimal digits in lower case", shorten(signature))
	}
	cl.signature = sum
	return nil
}

// maxKeyID is the longest id of an access key.
const maxKeyID = 128

// isHeaderName says whether s is the name of a header in lower case.
func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func (cl *claim) readTime(name, text string) error {
	at, err := time.Parse(timeForm, text)
	if err != nil || len(text) != len(timeForm) {
		return incomplete("%s is %q, expected the form YYYYMMDDTHHMMSSZ", name, shorten(text))
	}
	cl.at, cl.stamp = at, text
	return cl.checkDay()
}

func (cl *claim) checkDay() error {
	if cl.day != cl.stamp[:len(dateForm)] {
		return mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: %q, expected %q", shorten(cl.day), cl.stamp[:len(dateForm)])
	}
	return nil
}
