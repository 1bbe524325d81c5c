package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A value is what a slot holds for one connection.
type value struct {
	list []string
	why  string // there is nothing in list, because ...
	cert bool   // the values come from a certificate
}

// Reasons why a key has no value. They are constants, so that Bind builds no text.
const (
	whyHTTP         = "there is none over HTTP"
	whyAbsent       = "the connection has none"
	whyNoThing      = "no thing has the name of the client id"
	whyNotAttached  = "the principal is not attached to the thing"
	whyNoType       = "the thing has no type"
	whyNoAttribute  = "the thing has no such attribute"
	whyNoCert       = "there is no certificate"
	whyNoField      = "the certificate has no such field or value"
	whyNoIdentity   = "the principal is no Cognito identity"
	whyUnknown      = "no such key is known"
	whyNotDefined   = "iot:Thing.ThingName is not defined, iot:Connection.Thing.ThingName is"
	whySeveral      = "it has several values"
	whyNotUTF8      = "its value is not UTF-8"
	whyCertWildcard = "its value has one of * $ + ? # and comes from a certificate"
	whyCertLong     = "its value comes from a certificate and is longer than 1024 characters"
)

// text is the value to put into a resource or a condition value, or why there is none.
func (v *value) text() (text, why string) {
	switch {
	case len(v.list) == 0:
		return "", v.why
	case len(v.list) > 1:
		return "", whySeveral
	}
	text = v.list[0]
	switch {
	case !utf8.ValidString(text):
		return "", whyNotUTF8
	case v.cert && strings.ContainsAny(text, "*$+?#"):
		return "", whyCertWildcard
	case v.cert && len(text) > 1024 && utf8.RuneCountInString(text) > 1024:
		return "", whyCertLong
	}
	return text, ""
}

// resolve appends the values of all slots to list. Slots of time get their value from now,
// an empty one if now is zero.
func resolve(list []value, slots []slot, f *Facts, now time.Time) []value {
	values := slices.Grow(list, len(slots))[:len(slots)]
	one := make([]string, 0, len(slots)) // what the lists of single values point into
	for i := range slots {
		values[i] = value{}
		one = values[i].resolve(&slots[i], f, now, one)
		if s := &slots[i]; s.fallback != nil && len(values[i].list) == 0 {
			values[i] = value{list: s.fallback}
		}
	}
	return values
}

// resolve looks a slot up. A single value is appended to one, for the list to point there.
func (v *value) resolve(s *slot, f *Facts, now time.Time, one []string) []string {
	switch s.source {
	case fromConnectAttributes, fromAMR, fromCertificate, fromCertificateKeys, fromExtra:
		*v = several(s, f)
		return one
	default:
	}
	text, why := single(s, f, now)
	switch {
	case why != "":
		if s.source == fromSourceIP || s.source == fromDomain {
			v.list = extra(s, f)
		}
		v.why = why
		return one
	case s.source == fromSecure && !f.Secure:
		if v.list = extra(s, f); v.list != nil {
			return one
		}
	}
	one = append(one, text)
	v.list = one[len(one)-1 : len(one) : len(one)]
	return one
}

// single is the value of a key that has one.
func single(s *slot, f *Facts, now time.Time) (text, why string) {
	absent := func(s, why string) (string, string) {
		if s == "" {
			return "", why
		}
		return s, ""
	}
	switch s.source {
	case fromClientID:
		if f.HTTP {
			return "", whyHTTP
		}
		return f.ClientID, ""
	case fromSourceIP:
		if !f.SourceIP.IsValid() {
			return "", whyAbsent
		}
		return plainAddr(f.SourceIP).String(), ""
	case fromDomain:
		return absent(f.DomainName, whyAbsent)
	case fromCertificateID:
		return absent(f.CertificateID, whyNoCert)
	case fromLastWill:
		return absent(f.LastWillTopic, whyAbsent)
	case fromSecure:
		return strconv.FormatBool(f.Secure), ""
	case fromThingAttached:
		if f.HTTP {
			return "", whyHTTP
		}
		return strconv.FormatBool(f.OwnThing()), ""
	case fromThingName, fromThingType, fromThingAttribute:
		return thing(s, f)
	case fromIdentityID, fromPoolID:
		if f.Cognito == nil {
			return "", whyNoIdentity
		}
		if s.source == fromPoolID {
			return absent(f.Cognito.PoolID, whyAbsent)
		}
		return absent(f.Cognito.IdentityID, whyAbsent)
	case fromCurrentTime, fromEpochTime:
		if now.IsZero() {
			return "", "" // Bind asks only whether there is a value
		}
		if s.source == fromEpochTime {
			return strconv.FormatInt(now.Unix(), 10), ""
		}
		return now.UTC().Format(time.RFC3339), ""
	default:
		return "", whyUnknown
	}
}

func thing(s *slot, f *Facts) (text, why string) {
	switch {
	case f.HTTP:
		return "", whyHTTP
	case f.Thing.Name == "" || f.Thing.Name != f.ClientID:
		return "", whyNoThing
	case !f.Thing.Attached:
		return "", whyNotAttached
	case s.source == fromThingName:
		return f.Thing.Name, ""
	case s.source == fromThingType:
		if f.Thing.Type == "" {
			return "", whyNoType
		}
		return f.Thing.Type, ""
	}
	text, found := f.Thing.Attributes[s.arg]
	if !found {
		return "", whyNoAttribute
	}
	return text, ""
}

// several is the value of a key that may have more than one.
func several(s *slot, f *Facts) value {
	switch s.source {
	case fromConnectAttributes:
		return value{list: f.ConnectAttributes, why: whyAbsent}
	case fromAMR:
		if f.Cognito == nil {
			return value{why: whyNoIdentity}
		}
		first := "unauthenticated"
		if f.Cognito.Authenticated {
			first = "authenticated"
		}
		list := []string{first}
		for _, s := range f.Cognito.AMR {
			// Whether the login was authenticated is for the other field to say.
			if s != "authenticated" && s != "unauthenticated" {
				list = append(list, s)
			}
		}
		return value{list: list}
	case fromCertificate:
		if f.Certificate == nil {
			return value{why: whyNoCert, cert: true}
		}
		list := certificateField(f.Certificate, s.arg)
		switch {
		case s.index == allValues:
		case s.index < len(list):
			list = list[s.index : s.index+1]
		default:
			list = nil
		}
		return value{list: list, why: whyNoField, cert: true}
	case fromCertificateKeys:
		list := make([]string, 0, len(f.Certificate))
		for name, values := range f.Certificate {
			if len(values) > 0 {
				list = append(list, "iot:Certificate."+name)
			}
		}
		slices.Sort(list)
		return value{list: list, why: whyNoCert, cert: true}
	default:
		v := value{list: extra(s, f), why: whyUnknown}
		if s.key == "iot:thing.thingname" {
			v.why = whyNotDefined
		}
		return v
	}
}

// certificateField is the values of a field, at most five.
func certificateField(fields map[string][]string, name string) []string {
	list, found := fields[name]
	if !found {
		list = folded(fields, name, sameFold)
	}
	return list[:min(len(list), maxValues)]
}

// extra is the host's value of a key.
func extra(s *slot, f *Facts) []string {
	if len(f.Extra) == 0 {
		return nil
	}
	return folded(f.Extra, s.key, sameKey)
}

// folded looks a name up without case. Two spellings of one name in the map must not
// make the answer a matter of luck: the one that sorts first counts.
func folded(m map[string][]string, name string, same func(a, b string) bool) []string {
	var best string
	var list []string
	found := false
	for k, v := range m {
		if same(k, name) && (!found || k < best) {
			best, list, found = k, v, true
		}
	}
	return list
}

// sameKey compares the names of keys.
func sameKey(a, b string) bool {
	return len(a) == len(b) && sameFold(a, b) && (strings.IndexByte(a, '[') < 0 || foldKey(a) == foldKey(b))
}

// plainAddr is an address as conditions see it: IPv4 as IPv4, without a zone.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
