package auth

import (
	"context"
	"crypto/x509"
	"strings"
	"time"
)

// An Identity is an authenticated principal. It is made by an Authenticator, shared
// by everything that handles the connection, and never modified afterwards.
type Identity struct {
	// Principal is the name of the principal in events, logs, rules and sessions: the
	// id of a certificate, the name of a user, the ARN of an IAM user, the id of an
	// identity of a pool. It is not empty. A session belongs to it, with its Kind and ARN:
	// nobody else takes it over.
	Principal string
	// Kind says which policies decide; the zero value is right for a principal of the
	// host's own.
	Kind Kind
	// ARN is what policies and things are attached to. Empty: Principal.
	ARN string
	// Role is the ARN of the role that an identity of a pool has taken, empty for others.
	// The policies attached to it count with those of the Grant.
	Role string
	// Certificate is the one that the client proved to have, nil without one. Policies
	// may ask about its fields.
	Certificate *x509.Certificate
	// Grant has policies that came with the credentials, nil if there are none.
	Grant *Grant
	// Attributes are free facts about the principal that an Authorizer or a hook may
	// use. Those with a colon in their names, such as "aws:username", are condition
	// keys of policies. May be nil.
	Attributes map[string]string
	// ClientID, when set, replaces the client id the client asked for.
	ClientID string
	// Expires ends the connection at that time; zero means never.
	Expires time.Time
	// Check, if it is not nil, says whether the principal is still accepted: nil, or an
	// error as of Authenticate. It is called once more after the connection is among
	// those that Hub.DisconnectPrincipal ends, so that a revocation between
	// Authenticate and then is not missed. It must not wait.
	Check func() error
}

// Attached returns what policies and things are attached to.
func (id *Identity) Attached() string {
	if id.ARN != "" {
		return id.ARN
	}
	return id.Principal
}

// BareName is a user name of MQTT or HTTP Basic as it may be shown: without what follows
// the first question mark. Device SDKs put their versions there, and what is meant for a
// custom authorizer, tokens included. The rest is a copy, so that these are not kept.
func BareName(username string) string {
	name, _, _ := strings.Cut(username, "?")
	return strings.Clone(name)
}

// A Kind says which policies must allow what a principal does.
type Kind uint8

// The kinds of principals.
const (
	// Other is a principal of the host's: the IoT policies attached to it, and those of
	// its Grant if it has one, count together.
	Other Kind = iota
	// Certificate is a client certificate: the IoT policies attached to it.
	Certificate
	// User is a user of the hub with a password: the IoT policies attached to it.
	User
	// IAM is who signs with an access key: its Grant's policies and the IAM policies
	// attached to it. It may use the control plane.
	IAM
	// Custom was let in by a custom authorizer: the policies of its Grant, nothing else.
	Custom
	// Authenticated is an identity of a pool that has signed in: its role's policies, and
	// also an IoT policy attached to it.
	Authenticated
	// Guest is an identity of a pool that has not: its role's policies alone.
	Guest
)

// String returns the name of the kind, such as "certificate".
func (k Kind) String() string {
	names := [...]string{"other", "certificate", "user", "iam", "custom", "authenticated", "guest"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// A Grant is policies that come with credentials instead of being attached to a
// principal. It is not modified once it is in an Identity.
type Grant struct {
	// Policies count together.
	Policies []Document
	// Session, if it is not nil, narrows them: these must allow as well.
	Session []Document
	// Refresh, if it is not nil, is called after each Every while the connection lasts
	// and returns what takes the place of the grant, itself if nothing has changed. An
	// error that wraps one of the refusals of Authenticate ends the connection; with
	// any other one the old grant stays. ctx ends with the connection.
	Refresh func(ctx context.Context) (*Grant, error)
	// Every is at least a second.
	Every time.Duration
}

// A Document is a policy document.
type Document struct {
	// Name is what explanations call it.
	Name string
	// Text is its JSON.
	Text string
}
