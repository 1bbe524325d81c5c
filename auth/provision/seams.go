package provision

import (
	"context"
	"time"
)

// A Status is the status of a certificate.
type Status string

// The statuses of certificates.
const (
	Active            Status = "ACTIVE"
	Inactive          Status = "INACTIVE"
	Revoked           Status = "REVOKED"
	PendingTransfer   Status = "PENDING_TRANSFER"
	PendingActivation Status = "PENDING_ACTIVATION"
)

// A Certificate is a client certificate that the hub knows.
type Certificate struct {
	// ID is the SHA-256 of its DER, 64 lower-case hexadecimal digits.
	ID     string
	PEM    string
	Status Status
}

// A NewCertificate comes with the keys that were made for it. PrivateKey is not kept
// anywhere. Both keys are PEM.
type NewCertificate struct {
	Certificate
	PublicKey, PrivateKey string
}

// A Claim is a certificate that CreateProvisioningClaim made: it may run one template
// until it expires.
type Claim struct {
	CertificateID string
	Template      string
	Expires       time.Time
	// Policy is the policy document that says what the certificate may do: connect, and
	// the messages that provisioning with this template needs. Nothing is attached to
	// the certificate.
	Policy string
}

// Certificates is what provisioning needs of the hub's certificates; package provisiontest
// has a suite that every implementation passes, as for Things and Policies. What has happened
// is seen by every call that begins afterwards. All methods may be called concurrently.
// Errors that are not of the kinds named wrap none of the package's sentinels; they are
// internal failures.
type Certificates interface {
	// CreateKeys makes keys and a certificate that is PendingActivation.
	CreateKeys(ctx context.Context) (NewCertificate, error)
	// CreateFromCSR makes a certificate that is PendingActivation for a certificate
	// signing request in PEM. ErrInvalid: it is none that can be signed.
	CreateFromCSR(ctx context.Context, csr string) (Certificate, error)
	// Register makes a certificate known that somebody else has issued, as Inactive. An
	// empty ca means that it need not be of a registered authority, otherwise ca is one
	// and has signed it. ErrInvalid; ErrExists: it is known already.
	Register(ctx context.Context, pem, ca string) (Certificate, error)
	// Describe returns a certificate. ErrNotFound.
	Describe(ctx context.Context, id string) (Certificate, error)
	// SetStatus changes the status of a certificate from one to another. ErrNotFound;
	// ErrUpdateConflict: it has another one than from.
	SetStatus(ctx context.Context, id string, from, to Status) error
	// Delete deletes a certificate that has this status and that nothing is attached
	// to, whatever the status is. ErrNotFound; ErrUpdateConflict: it has another status;
	// ErrDeleteConflict: policies or things are attached to it.
	Delete(ctx context.Context, id string, has Status) error
	// CreateClaim makes keys and a certificate that is Active, and expires with the
	// claim. It is in no list of certificates. CertificateID of the claim is empty.
	CreateClaim(ctx context.Context, c Claim) (NewCertificate, error)
}

// A Thing is a thing of the registry.
type Thing struct {
	// Name, Type and BillingGroup are names; the latter two may be empty.
	Name, Type, BillingGroup string
	Attributes               map[string]string
	// Groups are the static groups that it is in directly.
	Groups []string
	// Version is another one after each change of type or attributes.
	Version int64
}

// Things is what provisioning needs of the registry. The rules are those of
// [Certificates].
type Things interface {
	// Describe returns a thing. ErrNotFound.
	Describe(ctx context.Context, name string) (Thing, error)
	// Create creates a thing with its type, billing group and attributes, without
	// groups. ErrExists also if it is there just like that; ErrInvalid; ErrNotFound: no
	// such type or billing group.
	Create(ctx context.Context, t Thing) error
	// Update gives a thing the type (empty: none) and exactly the attributes of t, and
	// returns its version then. ErrNotFound; ErrInvalid; ErrUpdateConflict: t.Version is
	// not the thing's.
	Update(ctx context.Context, t Thing) (version int64, err error)
	// Delete deletes a thing. ErrNotFound; ErrDeleteConflict: it has principals.
	Delete(ctx context.Context, name string) error
	// Regroup puts a thing into groups and takes it out of others, all or nothing.
	// ErrNotFound; ErrInvalid.
	Regroup(ctx context.Context, name string, join, leave []string) error
	// SetBillingGroup puts a thing into a billing group, or into none. ErrNotFound.
	SetBillingGroup(ctx context.Context, name, group string) error
	// Attach attaches a principal, the ARN of a certificate. fresh is false if it was
	// attached. ErrNotFound; ErrInvalid.
	Attach(ctx context.Context, name, principal string) (fresh bool, err error)
	// Detach detaches it; what is not attached is no error.
	Detach(ctx context.Context, name, principal string) error
}

// Policies is what provisioning needs of policies. The rules are those of
// [Certificates].
type Policies interface {
	// Document returns the document of a policy's default version. ErrNotFound.
	Document(ctx context.Context, name string) (string, error)
	// Create creates a policy. ErrExists; ErrInvalid: the document is no policy;
	// ErrLimitExceeded.
	Create(ctx context.Context, name, document string) error
	// Delete deletes a policy. ErrNotFound; ErrDeleteConflict: it is attached.
	Delete(ctx context.Context, name string) error
	// Attach attaches a policy to a target, the ARN of a certificate. fresh is false if
	// it was attached. ErrNotFound; ErrLimitExceeded.
	Attach(ctx context.Context, name, target string) (fresh bool, err error)
	// Detach detaches it; what is not attached is no error.
	Detach(ctx context.Context, name, target string) error
}

// A Publisher takes the answers to messages. They are for the requester alone, whoever
// else has subscribed: one of them holds a private key. payload is not used again.
// Publish may be called by several goroutines.
type Publisher interface {
	Publish(ctx context.Context, to Requester, topic string, payload []byte) error
}

// PublisherFunc is a function that is a Publisher.
type PublisherFunc func(ctx context.Context, to Requester, topic string, payload []byte) error

// Publish calls f.
func (f PublisherFunc) Publish(ctx context.Context, to Requester, topic string, payload []byte) error {
	return f(ctx, to, topic, payload)
}

// A Requester is who sent a message.
type Requester struct {
	// Principal is who it is, proved and not claimed: with fleet provisioning by claim
	// the id of the claim certificate.
	Principal string
	// ClientID is the MQTT client identifier.
	ClientID string
}
