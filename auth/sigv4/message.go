package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A message is the part of a request that is signed, except for the body.
type message struct {
	method string
	host   string
	path   string // as it was sent, percent encoding and all
	query  []param
	header http.Header
	length int64 // of the body, -1 if it is not known
}

// A param is a parameter of a query without percent encoding.
type param struct{ name, value string }

// readQuery reads a query as net/url does, but keeps its order.
func readQuery(raw string) ([]param, error) {
	if raw == "" {
		return nil, nil
	}
	list := make([]param, 0, strings.Count(raw, "&")+1)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, incomplete("the query has %q, expected percent encoding", shorten(part))
		}
		list = append(list, param{n, value})
	}
	return list, nil
}

// A variant is one of the readings of a request that mean the same.
type variant struct {
	path    string // before it is encoded again
	host    string
	noToken bool // the session token was appended to the URL afterwards
}

// variants returns the readings to try, the likely ones first: at most eight.
func (m *message) variants(cl *claim) []variant {
	paths := []string{m.path}
	if tidy := tidyPath(m.path); cl.service != "s3" && tidy != m.path {
		paths = append(paths, tidy)
	}
	hosts := []string{m.host}
	for _, port := range []string{":443", ":80"} {
		if bare, cut := strings.CutSuffix(m.host, port); cut {
			hosts = append(hosts, bare)
		}
	}
	tokens := []bool{false}
	if cl.presigned && slices.ContainsFunc(m.query, func(p param) bool { return p.name == paramToken }) {
		tokens = []bool{cl.service == gateway, cl.service != gateway}
	}
	list := make([]variant, 0, len(paths)*len(hosts)*len(tokens))
	for _, p := range paths {
		for _, h := range hosts {
			for _, t := range tokens {
				list = append(list, variant{path: p, host: h, noToken: t})
			}
		}
	}
	return list
}

// tidyPath removes empty segments and those of dots.
func tidyPath(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path
	}
	var out []string
	for s := range strings.SplitSeq(path, "/") {
		switch s {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
		}
	}
	tidy := "/" + strings.Join(out, "/")
	if strings.HasSuffix(path, "/") && len(out) > 0 {
		tidy += "/"
	}
	return tidy
}

// canonical appends what AWS calls the canonical request. The headers named in signed
// are there.
func (m *message) canonical(b []byte, v variant, signed []string, signedText, service, payload string) []byte {
	b = append(append(b, m.method...), '\n')
	if service == "s3" {
		b = append(b, v.path...)
	} else {
		b = appendEncoded(b, v.path, true)
	}
	b = append(m.appendQuery(append(b, '\n'), v.noToken), '\n')
	for _, name := range signed {
		b = append(append(b, name...), ':')
		switch name {
		case "host":
			b = appendFolded(b, v.host)
		default:
			b = m.appendHeader(b, name)
		}
		b = append(b, '\n')
	}
	b = append(append(b, '\n'), signedText...)
	return append(append(b, '\n'), payload...)
}

func (m *message) appendHeader(b []byte, name string) []byte {
	values := m.header[http.CanonicalHeaderKey(name)]
	if len(values) == 0 && name == "content-length" && m.length >= 0 {
		return strconv.AppendInt(b, m.length, 10)
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendFolded(b, v)
	}
	return b
}

// appendFolded appends a header's value without blanks around it, and with one where
// there were several.
func appendFolded(b []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	for i := range len(v) {
		if v[i] == ' ' && v[i-1] == ' ' { // never the first byte
			continue
		}
		b = append(b, v[i])
	}
	return b
}

// appendQuery appends the query, in order and without its signature.
func (m *message) appendQuery(b []byte, noToken bool) []byte {
	var few [16]param
	list := few[:0]
	for _, p := range m.query {
		if p.name == paramSignature || (noToken && p.name == paramToken) {
			continue
		}
		list = append(list, param{encoded(p.name), encoded(p.value)})
	}
	slices.SortFunc(list, func(a, b param) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range list {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, p.name...), '='), p.value...)
	}
	return b
}

// encoded is s with percent encoding, s itself if it needs none.
func encoded(s string) string {
	for i := range len(s) {
		if !unreserved(s[i]) {
			return string(appendEncoded(make([]byte, 0, len(s)+8), s, false))
		}
	}
	return s
}

func appendEncoded(b []byte, s string, slashes bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if unreserved(c) || (slashes && c == '/') {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// unreserved says whether a byte stands for itself [RFC 3986, section 2.3].
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
