package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
)

const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	// emptyHash is the hash of no body.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// checkClaim checks what can be told without the key: scope and time.
func (a *Authenticator) checkClaim(cl *claim, overMQTT bool, now time.Time) error {
	services := a.cfg.Services
	if overMQTT {
		services = a.cfg.GatewayServices
	}
	if !slices.Contains(services, cl.service) {
		return mismatch("Credential should be scoped to correct service: %q, expected one of %q.", shorten(cl.service), services)
	}
	if a.cfg.Regions != nil && !slices.Contains(a.cfg.Regions, cl.region) {
		return mismatch("Credential should be scoped to a valid region: %q, expected one of %q.", shorten(cl.region), a.cfg.Regions)
	}
	if soonest := now.Add(a.cfg.Skew); cl.at.After(soonest) {
		return mismatch("Signature not yet current: %s is still later than %s (%s + %s)", cl.stamp, stamp(soonest), stamp(now), a.cfg.Skew)
	}
	if cl.expires > a.cfg.MaxExpiry {
		return mismatch("%s is %d, expected at most %d", paramExpires, cl.expires/time.Second, a.cfg.MaxExpiry/time.Second)
	}
	if cl.expires > 0 {
		if end := cl.at.Add(cl.expires); now.After(end) {
			return mismatch("Signature expired: %s is now earlier than %s (%s + %d s)", stamp(end), stamp(now), cl.stamp, cl.expires/time.Second)
		}
		return nil
	}
	if oldest := now.Add(-a.cfg.Skew); cl.at.Before(oldest) {
		return mismatch("Signature expired: %s is now earlier than %s (%s - %s)", cl.stamp, stamp(oldest), stamp(now), a.cfg.Skew)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(timeForm) }

// checkSigned checks that the signed headers are there, and that no header which
// changes the meaning of the request was left out.
func (m *message) checkSigned(cl *claim) error {
	for _, name := range cl.signed {
		switch {
		case name == "host", name == "content-length" && m.length >= 0:
		case len(m.header[http.CanonicalHeaderKey(name)]) == 0:
			return mismatch("The header %q is signed and not in the request.", name)
		}
	}
	for name := range m.header {
		if !telling(name) {
			continue
		}
		lower := strings.ToLower(name)
		_, signed := slices.BinarySearch(cl.signed, lower)
		if !signed && !bound(name) {
			return mismatch("The header %q is in the request and not signed.", lower)
		}
	}
	return nil
}

// telling says whether a header is part of what is asked for: the operations of AWS IoT
// take whom they are about from headers. Proxies add others that begin with X-Amzn-.
func telling(name string) bool {
	return strings.HasPrefix(name, "X-Amz-") || strings.HasPrefix(name, "X-Amzn-Iot-") || name == "X-Amzn-Principal"
}

// bound says whether a header needs no signature of its own: the date and the hash are
// part of what is signed anyway, the token must be the one of the key, the name of a
// browser's SDK changes nothing, and a content delivery network adds its own headers.
func bound(name string) bool {
	switch name {
	case paramToken, paramPayload, paramDate, "X-Amz-User-Agent":
		return true
	}
	return strings.HasPrefix(name, "X-Amz-Cf-")
}

// verify checks the signature and the body.
func (a *Authenticator) verify(c *auth.Credentials, m *message, cl *claim, secret string) error {
	payload := cl.payload
	var body func() error // what is left to check once the signature is good
	switch {
	case payload == unsignedPayload:
		if !a.cfg.AllowUnsignedPayload {
			return mismatch("%s is %s, expected the hash of the body", paramPayload, unsignedPayload)
		}
	case payload == "":
		h, err := bodyHash(c)
		if err != nil {
			return err
		}
		payload = h
	case !isHash(payload):
		return mismatch("%s is %q, expected the SHA-256 of the body in hexadecimal digits", paramPayload, shorten(payload))
	default:
		body = func() error {
			h, err := bodyHash(c)
			if err == nil && h != payload {
				err = mismatch("The body does not have the hash that is signed in %s.", paramPayload)
			}
			return err
		}
	}
	key := deriveKey(secret, cl.day, cl.region, cl.service)
	var few [1024]byte
	for _, v := range m.variants(cl) {
		text := m.canonical(few[:0], v, cl.signed, cl.signedText, cl.service, payload)
		if !hmac.Equal(signature(key, cl.stamp, cl.scope, text), cl.signature) {
			continue
		}
		if body != nil {
			return body()
		}
		return nil
	}
	return wrongSignature()
}

// bodyHash is the hash of the body that came with the request.
func bodyHash(c *auth.Credentials) (string, error) {
	if c.Body == nil {
		return emptyHash, nil
	}
	b, err := c.Body()
	if err != nil {
		return "", mismatch("The body could not be read.")
	}
	return hashHex(b), nil
}

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func isHash(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == len(emptyHash) && strings.ToLower(s) == s
}

// deriveKey makes the key of a day, a region and a service.
func deriveKey(secret, day, region, service string) []byte {
	key := mac([]byte("AWS4"+secret), day)
	key = mac(key, region)
	key = mac(key, service)
	return mac(key, terminator)
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// signature signs a canonical request.
func signature(key []byte, stamp, scope string, canonical []byte) []byte {
	return mac(key, algorithm, "\n", stamp, "\n", scope, "\n", hashHex(canonical))
}

// equal compares secrets. Only the length of them shows in the time it takes.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
