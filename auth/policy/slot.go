package policy

import (
	"strconv"
	"strings"
)

// source is where the value of a key comes from.
type source uint8

const (
	fromExtra source = iota
	fromClientID
	fromSourceIP
	fromDomain
	fromCertificateID
	fromThingName
	fromThingType
	fromThingAttribute
	fromThingAttached
	fromCertificate
	fromCertificateKeys
	fromIdentityID
	fromPoolID
	fromAMR
	fromConnectAttributes
	fromLastWill
	fromCurrentTime
	fromEpochTime
	fromSecure
)

// A slot is a variable or condition key that a program uses. Its number is the same
// for all connections.
type slot struct {
	name   string // as written at its first use
	key    string // folded, see foldKey
	source source
	arg    string // attribute, or field of the certificate
	index  int    // which value of a field: 0..4, or allValues
	// fallback has the default value of ${name, 'default'}, if there is one.
	fallback []string
	variable bool // of a resource, not just of conditions
}

const (
	allValues = -1
	maxValues = 5 // of a field of a certificate
)

// keys are the names with a source of their own, folded.
var keys = map[string]source{
	"iot:clientid":                       fromClientID,
	"iot:domainname":                     fromDomain,
	"iot:certificateid":                  fromCertificateID,
	"iot:connection.thing.thingname":     fromThingName,
	"iot:connection.thing.thingtypename": fromThingType,
	"iot:connection.thing.isattached":    fromThingAttached,
	"iot:certificate.availablekeys":      fromCertificateKeys,
	"iot:connectattributes":              fromConnectAttributes,
	"iot:lastwilltopic":                  fromLastWill,
	"aws:sourceip":                       fromSourceIP,
	"aws:currenttime":                    fromCurrentTime,
	"aws:epochtime":                      fromEpochTime,
	"aws:securetransport":                fromSecure,
	"cognito-identity.amazonaws.com:sub": fromIdentityID,
	"cognito-identity.amazonaws.com:aud": fromPoolID,
	"cognito-identity.amazonaws.com:amr": fromAMR,
}

const (
	attributePrefix   = "iot:connection.thing.attributes["
	certificatePrefix = "iot:certificate."
)

// foldKey is what two spellings of one key have in common: the case of letters does
// not count, except inside [...], where the name of an attribute stands.
func foldKey(name string) string {
	before, after, found := strings.Cut(name, "[")
	if !found {
		return fold(name)
	}
	return fold(before) + "[" + after
}

func newSlot(name string) slot {
	name, fallback := cutFallback(name)
	s := slot{name: name, key: foldKey(name), fallback: fallback}
	s.source = keys[s.key]
	if s.source != fromExtra {
		return s
	}
	if arg, found := strings.CutPrefix(s.key, attributePrefix); found && strings.HasSuffix(arg, "]") {
		s.source, s.arg = fromThingAttribute, strings.TrimSuffix(arg, "]")
	} else if strings.HasPrefix(s.key, certificatePrefix) {
		s.source = fromCertificate
		s.arg, s.index = field(name[len(certificatePrefix):])
	}
	return s
}

// cutFallback takes the default value off a variable. Names have commas and quotation
// marks only in [...], where the name of an attribute stands.
func cutFallback(s string) (name string, fallback []string) {
	rest, found := strings.CutSuffix(strings.TrimRight(s, " "), "'")
	if !found {
		return s, nil
	}
	at := strings.LastIndexByte(rest, '\'')
	if at < 0 {
		return s, nil
	}
	name, found = strings.CutSuffix(strings.TrimRight(rest[:at], " "), ",")
	if name = strings.TrimRight(name, " "); !found || name == "" {
		return s, nil
	}
	return name, []string{rest[at+1:]}
}

func (s *slot) id() slotKey {
	if s.fallback == nil {
		return slotKey{key: s.key}
	}
	return slotKey{s.key, "'" + s.fallback[0]} // also of an empty one
}

// field takes the index off a field of a certificate: "Subject.CommonName.1".
func field(name string) (field string, index int) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name, 0
	}
	last := name[dot+1:]
	if sameFold(last, "List") {
		return name[:dot], allValues
	}
	if len(last) == 1 && '0' <= last[0] && last[0] <= '9' {
		n, _ := strconv.Atoi(last)
		return name[:dot], n
	}
	return name, 0
}

// timed reports whether the value changes while a connection lives.
func (s *slot) timed() bool { return s.source == fromCurrentTime || s.source == fromEpochTime }

// always reports whether every connection has a value, also over HTTP.
func (s *slot) always() bool { return s.timed() || s.source == fromSecure }
