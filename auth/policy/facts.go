package policy

import (
	"net/netip"
	"time"
)

// Facts is what is known about a connection or an HTTP request: the values of
// variables and condition keys. The zero value is an MQTT connection with an empty
// client id of which nothing else is known.
//
// Text that is not UTF-8 is never put into a resource or a condition value.
type Facts struct {
	// ClientID is iot:ClientId. It may be empty: an empty value is a value.
	ClientID string
	// HTTP: a request and no MQTT connection. iot:ClientId and the thing's keys have no
	// values then.
	HTTP bool
	// Thing is the registry's thing of that name. Its keys have values only where
	// [Facts.OwnThing] is true; iot:Connection.Thing.IsAttached always has one, except
	// over HTTP.
	Thing Thing
	// CertificateID is iot:CertificateId, empty without a certificate.
	CertificateID string
	// Certificate has the fields of the client's certificate, as [CertificateFacts]
	// makes them: "Subject.CommonName" is iot:Certificate.Subject.CommonName. Of a
	// field's values the first five count.
	Certificate map[string][]string
	// SourceIP is aws:SourceIp. The zero Addr is an unknown address. An IPv4 address
	// in IPv6 form counts as IPv4.
	SourceIP netip.Addr
	// DomainName is iot:DomainName, the server name the client asked for.
	DomainName string
	// Secure is aws:SecureTransport.
	Secure bool
	// Cognito is the identity, nil for other principals.
	Cognito *Cognito
	// ConnectAttributes is iot:ConnectAttributes: of PersistentConnect and LastWill
	// those that are true of the CONNECT packet.
	ConnectAttributes []string
	// LastWillTopic is iot:LastWillTopic, the ARN of the will's topic, empty without
	// a will.
	LastWillTopic string
	// Extra has the values of further keys, such as aws:username or
	// aws:PrincipalTag/site. Names compare without case; of several spellings the one
	// that sorts first counts. An entry never speaks for a key about the client id,
	// the thing, the certificate, the Cognito identity, the CONNECT packet or the
	// time; for the other fields it counts where the field is empty.
	Extra map[string][]string
	// Now is asked at each decision that depends on the time. Nil means [time.Now]. It
	// must be safe for concurrent use.
	Now func() time.Time
}

// A Thing is an entry of the registry, as far as policies look at it.
type Thing struct {
	Name, Type string
	Attributes map[string]string
	// Attached: the principal of the connection is attached to the thing.
	Attached bool
}

// Cognito is an identity of an identity pool.
type Cognito struct {
	// IdentityID is cognito-identity.amazonaws.com:sub, PoolID is :aud.
	IdentityID, PoolID string
	// Authenticated decides whether :amr starts with "authenticated" or with
	// "unauthenticated".
	Authenticated bool
	// AMR has the other values of :amr, the login provider's names.
	AMR []string
}

// The values of [Facts.ConnectAttributes].
const (
	PersistentConnect = "PersistentConnect"
	LastWill          = "LastWill"
)

// OwnThing reports whether the connection acts as the thing: an MQTT connection whose
// client id is the thing's name, with a principal attached to the thing. Policies of
// thing groups belong to the connection only then.
func (f *Facts) OwnThing() bool {
	return !f.HTTP && f.Thing.Attached && f.Thing.Name != "" && f.Thing.Name == f.ClientID
}

func (f *Facts) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}
