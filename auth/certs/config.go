package certs

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config configures a [Service]. The zero value works: everything in memory, a CA of its
// own.
type Config struct {
	// Directory keeps the certificates, and the private key of the hub's own CA unless
	// CA is set. Several services may share one; those of different accounts or regions
	// do not see each other's certificates, except for transfers. Default
	// auth.NewMemory().
	Directory auth.Directory
	// Scope is what resource names begin with. Empty fields have the defaults of the
	// hub: "aws", "local", "000000000000".
	Scope Scope
	// CA signs the certificates that the service makes. Default: one that is made once
	// and kept in the Directory with its private key, in the clear: whoever can read the
	// Directory can make certificates. They still do not let anybody in, because only
	// registered certificates do; but clients that trust the CA would trust a server with
	// one. Give a CA whose Signer keeps the key elsewhere (in an HSM, say) if that
	// matters.
	CA *Authority
	// Keys are the keys that CreateKeysAndCertificate makes. Default RSA2048.
	Keys KeyType
	// ServerNames are the names by which clients must ask for the server (SNI), such as
	// "iot.example.org"; "*.example.org" stands for any name with one label more.
	// Default: names are not looked at, since a hub for one account has nothing to tell
	// apart, and clients that connect by an IP address cannot send one.
	ServerNames []string
	// OptionalServerName lets clients in that send none of ServerNames because they send
	// no name at all, except for those whose certificate has the mode SNIOnly: one that was
	// registered without a CA, or with a CA of that mode.
	OptionalServerName bool
	// Attachments knows what is attached to certificates. Default: nothing is.
	Attachments Attachments
	// Events gets the event of a certificate that was registered just in time. Publish
	// is called by Authenticate and should not wait. Default: nobody hears it.
	Events Publisher
	// Provision is called for a certificate that was registered just in time by a CA
	// with a provisioning template, again with each attempt to connect until the
	// certificate is no longer PENDING_ACTIVATION, and never twice at a time for one.
	// It is to call [Service.Activate] in the end. Its error is logged. Default: such a
	// CA is treated like one without a template.
	Provision func(ctx context.Context, p JITP) error
	// Changed is called after a change of a certificate's status was stored, with
	// [Deleted] for one that was deleted, and also when the service finds out that
	// another hub has taken a certificate's right to connect. Whoever is connected with
	// a certificate that is not Active is to be disconnected. It is called by the
	// goroutine that made the change, without locks. Default: nobody is told.
	Changed func(id string, s Status)
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// Audit is told of handshakes that were refused (service "tls", operation
	// "Handshake"). Default auth.LogEvents of Logger, ten lines a second.
	Audit auth.Auditor
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Attachments knows what is attached to certificates. Its methods may be called
// concurrently.
type Attachments interface {
	// Attached says whether there are policies and things attached to a certificate.
	Attached(ctx context.Context, arn string) (policies, things bool, err error)
	// DetachPolicies takes all policies off a certificate.
	DetachPolicies(ctx context.Context, arn string) error
	// CopyAttachments attaches the policies and the things of a certificate to another
	// one. What is attached to that already is no error.
	CopyAttachments(ctx context.Context, from, to string) error
}

// A Publisher sends a message into the hub. Publish may be called by several
// goroutines, and may call the Service.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte) error
}

// JITP is a certificate that was registered just in time and that is to be provisioned
// with the template of its CA.
type JITP struct {
	// ID and ARN name the certificate, CA is the id of the CA certificate.
	ID, ARN, CA string
	PEM         string
	// Certificate is the same as PEM; it must not be modified.
	Certificate *x509.Certificate
	Config      RegistrationConfig
}

// A Service keeps certificates and says who has one: an [auth.Authenticator]. All
// methods may be called concurrently; each takes effect at once and as a whole.
//
// Its methods are the operations of the AWS API under their names, and what provisioning
// and the hub need besides.
type Service struct {
	cfg    Config
	tenant string // what keys begin with
	ca     Authority
	caID   string
	keygen chan struct{} // bounds how many RSA keys are made at a time

	certs     records.Table[record]
	lists     records.Table[struct{}]
	serials   records.Table[struct{}]
	incoming  records.Table[incoming]
	moved     records.Table[movedTo]
	cas       records.Table[caRecord]
	subjects  records.Table[struct{}]
	codes     records.Table[string]
	crls      records.Table[crlRecord]
	rotations records.Table[rotation]

	states   states
	parsed   sync.Map // CA id -> *parsedCA
	crlCache sync.Map // CA id -> *parsedCRL
	jitp     sync.Map // ids that Provision is working at
}

var _ auth.Authenticator = (*Service)(nil)

// New returns a service. It may make a CA and store it. An error names the field of
// Config that is to blame, or tells what the Directory said.
func New(cfg Config) (*Service, error) {
	if err := cfg.Scope.Check(); err != nil {
		return nil, fmt.Errorf("certs: Config.Scope.%w", err)
	}
	cfg.Scope = cfg.Scope.WithDefaults()
	if cfg.Keys > P256 {
		return nil, fmt.Errorf("certs: Config.Keys is %d, expected RSA2048 or P256", cfg.Keys)
	}
	for i, n := range cfg.ServerNames {
		if name := strings.TrimPrefix(n, "*."); name == "" || strings.Contains(name, "*") || strings.ContainsAny(name, " /:") {
			return nil, fmt.Errorf("certs: Config.ServerNames[%d] is %q, expected a host name or *.domain", i, n)
		}
	}
	cfg.ServerNames = slices.Clone(cfg.ServerNames)
	if cfg.Directory == nil {
		cfg.Directory = auth.NewMemory()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Audit == nil {
		cfg.Audit = auth.LogEvents(cfg.Logger, auth.LogLines)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := cfg.Directory
	s := &Service{
		cfg: cfg, tenant: tenantOf(cfg.Scope.Region, cfg.Scope.Account), keygen: make(chan struct{}, runtime.GOMAXPROCS(0)),
		certs: records.NewTable[record](d, "cert"), lists: records.NewTable[struct{}](d, "cert-list"),
		serials: records.NewTable[struct{}](d, "cert-serial"), incoming: records.NewTable[incoming](d, "cert-incoming"),
		moved: records.NewTable[movedTo](d, "cert-moved"), cas: records.NewTable[caRecord](d, "cacert"),
		subjects: records.NewTable[struct{}](d, "cacert-subject"), codes: records.NewTable[string](d, "registration-code"),
		crls: records.NewTable[crlRecord](d, "crl"), rotations: records.NewTable[rotation](d, "cert-rotation"),
	}
	s.states.known = map[string]*state{}
	if err := s.openCA(context.Background()); err != nil {
		return nil, err
	}
	return s, nil
}

// Immediate reports that Authenticate never waits: because the Directory says so of
// itself and nothing is provisioned on the way.
func (s *Service) Immediate() bool {
	i, ok := s.cfg.Directory.(auth.Immediate)
	return ok && i.Immediate() && s.cfg.Provision == nil
}

// ARN returns the resource name of a certificate, whether there is one or not.
func (s *Service) ARN(id string) string { return s.cfg.Scope.IoT("cert/" + id) }

// CAARN returns the resource name of a CA certificate, whether there is one or not.
func (s *Service) CAARN(id string) string { return s.cfg.Scope.IoT("cacert/" + id) }

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Round(0) }

// changed tells the host of a new status.
func (s *Service) changed(id string, to Status) {
	if s.cfg.Changed != nil {
		s.cfg.Changed(id, to)
	}
}

func (s *Service) attached(ctx context.Context, id string) (policies, things bool, err error) {
	if s.cfg.Attachments == nil {
		return false, false, nil
	}
	policies, things, err = s.cfg.Attachments.Attached(ctx, s.ARN(id))
	if err != nil {
		return false, false, fmt.Errorf("certs: what is attached to certificate %s: %w", id, err)
	}
	return policies, things, nil
}

// tenantOf is what the keys of an account and region have in common. Neither has a
// slash, which Scope.Check sees to.
func tenantOf(region, account string) string { return region + "/" + account }

func itoa(n int) string { return strconv.Itoa(n) }
