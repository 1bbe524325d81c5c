package custom

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

const (
	nameParam      = "x-amz-customauthorizer-name"
	signatureParam = "x-amz-customauthorizer-signature"
)

// presented are the places where a client may put what is for an authorizer.
type presented struct {
	username []pair // the query of the MQTT user name
	header   http.Header
	query    []pair // of the request
}

// A pair is a parameter with percent encoding and all.
type pair struct{ name, value string }

func present(c *auth.Credentials) presented {
	var p presented
	_, p.username = splitUsername(c.Username)
	if c.Request != nil {
		p.header = c.Request.Header
		if c.Request.URL != nil {
			p.query = splitQuery(c.Request.URL.RawQuery)
		}
	}
	return p
}

// splitUsername cuts an MQTT user name into a name and the parameters behind the first
// question mark. A later question mark, which some SDKs write for their own parameters,
// is as good as &.
func splitUsername(username string) (name string, params []pair) {
	name, rest, _ := strings.Cut(username, "?")
	return name, splitQuery(strings.ReplaceAll(rest, "?", "&"))
}

func splitQuery(query string) (params []pair) {
	for part := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(part, "="); name != "" {
			params = append(params, pair{name, value})
		}
	}
	return params
}

// find returns the readings of a value: the likely one first, none if it is not there.
// What stands in a header is meant as it is; parameters may be encoded or not.
func (p presented) find(name string) (readings []string) {
	if v, ok := lookup(p.username, name); ok {
		return decodings(v)
	}
	if v := p.header.Values(name); len(v) > 0 {
		return v[:1]
	}
	if v, ok := lookup(p.query, name); ok {
		return decodings(v)
	}
	return nil
}

// value is the likely reading, empty if it is not there.
func (p presented) value(name string) string {
	if r := p.find(name); len(r) > 0 {
		return r[0]
	}
	return ""
}

func lookup(params []pair, name string) (string, bool) {
	i := slices.IndexFunc(params, func(p pair) bool { return p.name == name || decoded(p.name) == name })
	if i < 0 && strings.HasPrefix(name, "x-amz-") {
		i = slices.IndexFunc(params, func(p pair) bool { return strings.EqualFold(p.name, name) })
	}
	if i < 0 {
		return "", false
	}
	return params[i].value, true
}

func decoded(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// decodings are what a parameter may mean: with percent encoding and + for itself, with
// + for a blank, and without encoding.
func decodings(v string) []string {
	list := make([]string, 0, 3)
	for _, decode := range []func(string) (string, error){
		url.PathUnescape, url.QueryUnescape, func(s string) (string, error) { return s, nil },
	} {
		if d, err := decode(v); err == nil && !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}
