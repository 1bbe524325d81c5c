package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// maxSameSubject is how many CA certificates may have one subject.
const maxSameSubject = 10

// A RegistrationConfig says how certificates that a CA registers just in time are
// provisioned: with a template, or with one that has a name.
type RegistrationConfig struct {
	TemplateBody string `json:"templateBody,omitempty"` // at most 10240 bytes
	TemplateName string `json:"templateName,omitempty"` // 1 to 36 letters, digits, _ and -
	// RoleARN is kept for tools that show it; the hub has no use for it.
	RoleARN string `json:"roleArn,omitempty"`
}

var templateName = regexp.MustCompile(`^[0-9A-Za-z_-]{1,36}$`)

func (c *RegistrationConfig) check() error {
	if c == nil {
		return nil
	}
	if err := checkText("registrationConfig.templateBody", c.TemplateBody, 10240); err != nil {
		return err
	}
	if c.TemplateName != "" && !templateName.MatchString(c.TemplateName) {
		return invalid("registrationConfig.templateName", c.TemplateName, "Member must satisfy regular expression pattern: ^[0-9A-Za-z_-]+$ and have length between 1 and 36")
	}
	if c.RoleARN != "" && (len(c.RoleARN) < 20 || len(c.RoleARN) > 2048) {
		return invalid("registrationConfig.roleArn", c.RoleARN, "Member must have length between 20 and 2048")
	}
	if c.TemplateBody != "" && c.TemplateName != "" {
		return failed(ErrInvalid, "registrationConfig has both templateBody and templateName, expected one of them")
	}
	return nil
}

// provisions reports whether there is a template.
func (c *RegistrationConfig) provisions() bool {
	return c != nil && (c.TemplateBody != "" || c.TemplateName != "")
}

// A caRecord is what the directory keeps of a registered CA certificate.
type caRecord struct {
	PEM        string              `json:"pem"`
	Status     CAStatus            `json:"status"`
	Auto       AutoRegistration    `json:"auto"`
	Mode       Mode                `json:"mode"`
	Config     *RegistrationConfig `json:"config,omitempty"`
	Created    time.Time           `json:"created"`
	Modified   time.Time           `json:"modified"`
	Version    int                 `json:"version"`
	Generation string              `json:"generation"`
}

// A registeredCA is a record that was read. It is not modified.
type registeredCA struct {
	caRecord
	id          string
	certificate *x509.Certificate
}

type parsedCA struct {
	revision int64
	registeredCA
}

// registeredCA reads a CA certificate; the error wraps auth.ErrNotFound.
func (s *Service) registeredCA(ctx context.Context, id string) (*registeredCA, error) {
	r, err := s.cfg.Directory.Get(ctx, s.cas.Key(s.tenant, id))
	if err != nil {
		return nil, fmt.Errorf("certs: read CA certificate %s: %w", id, err)
	}
	if v, ok := s.parsed.Load(id); ok && v.(*parsedCA).revision == r.Revision {
		return &v.(*parsedCA).registeredCA, nil
	}
	e, err := s.cas.Read(r)
	if err != nil {
		return nil, fmt.Errorf("certs: read CA certificate %s: %w", id, err)
	}
	c, err := parseCertificate("caCertificate", e.Value.PEM)
	if err != nil {
		return nil, fmt.Errorf("certs: CA certificate %s is damaged: %w", id, err)
	}
	p := &parsedCA{r.Revision, registeredCA{e.Value, id, c}}
	s.parsed.Store(id, p)
	return &p.registeredCA, nil
}

// A RegisterCAInput is a CA certificate to be registered.
type RegisterCAInput struct {
	// PEM is the CA certificate, 1 to 65536 bytes, kept as it is.
	PEM string
	// Verification is a certificate that the CA has signed and whose common name is the
	// registration code. It is needed for the mode Default, unless the CA is Vouched, and
	// must be empty otherwise.
	Verification string
	// Vouched: the host answers for the CA itself, as for one that its operator has put
	// into a file, so that nobody has to prove that the CA's key is theirs.
	Vouched bool
	// Mode is Default or SNIOnly. Default Default.
	Mode Mode
	// SetAsActive lets certificates be registered with the CA. AllowAutoRegistration
	// registers them when they are first used.
	SetAsActive, AllowAutoRegistration bool
	// Config is nil without a template.
	Config *RegistrationConfig
}

// RegisterCACertificate registers a CA, so that certificates it has signed can be.
//
// Errors: ErrInvalid, ErrValidation (one of the certificates cannot be read or is not
// valid now, the first is no CA's, the second is not signed by it), ErrRegistrationCode,
// ErrExists, ErrLimitExceeded (ten have the same subject).
func (s *Service) RegisterCACertificate(ctx context.Context, in RegisterCAInput) (id, arn string, err error) {
	if in.Mode == "" {
		in.Mode = Default
	}
	if err := checkEnum("certificateMode", in.Mode, Default, SNIOnly); err != nil {
		return "", "", err
	}
	if err := in.Config.check(); err != nil {
		return "", "", err
	}
	c, err := parseCA("caCertificate", in.PEM, s.now())
	if err != nil {
		return "", "", err
	}
	if err := s.verifyCA(ctx, c, in); err != nil {
		return "", "", err
	}
	now := s.now()
	r := caRecord{
		PEM: in.PEM, Status: CAInactive, Auto: Disable, Mode: in.Mode, Config: in.Config,
		Created: now, Modified: now, Version: 1, Generation: newID(),
	}
	if in.SetAsActive {
		r.Status = CAActive
	}
	if in.AllowAutoRegistration {
		r.Auto = Enable
	}
	id = Fingerprint(c)
	return id, s.CAARN(id), s.insertCA(ctx, id, r, nameKey(c.RawSubject))
}

func (s *Service) insertCA(ctx context.Context, id string, r caRecord, subject string) error {
	same := 0
	for e, err := range s.subjects.List(ctx, []string{s.tenant, subject}, nil) {
		if err != nil {
			return fmt.Errorf("certs: count CAs: %w", err)
		}
		if e.ID[2] != id {
			same++
		}
	}
	if same >= maxSameSubject {
		return failed(ErrLimitExceeded, "There are %d CA certificates with the same subject, expected at most %d", same+1, maxSameSubject)
	}
	changes := append(s.enlist(s.tenant, listCAs, order(r.Created, id)),
		s.cas.Put(r, 0, s.tenant, id), s.subjects.Put(struct{}{}, auth.Any, s.tenant, subject, id))
	err := s.cfg.Directory.Commit(ctx, changes...)
	if errors.Is(err, auth.ErrConflict) {
		return &Error{
			Kind: ErrExists, ResourceID: id, ResourceARN: s.CAARN(id),
			Message: "The CA certificate is already registered with id " + id,
		}
	}
	if err != nil {
		return fmt.Errorf("certs: store CA certificate %s: %w", id, err)
	}
	return nil
}

// verifyCA checks that whoever registers a CA has its key.
func (s *Service) verifyCA(ctx context.Context, ca *x509.Certificate, in RegisterCAInput) error {
	const field = "verificationCertificate"
	switch {
	case in.Mode == SNIOnly && in.Verification != "":
		return failed(ErrInvalid, "%s is set, expected nothing for certificateMode SNI_ONLY", field)
	case in.Mode == SNIOnly:
		return nil
	case in.Verification == "" && in.Vouched:
		return nil
	case in.Verification == "":
		return failed(ErrInvalid, "%s is missing, expected one for certificateMode DEFAULT", field)
	}
	v, err := parseDevice(field, in.Verification, s.now())
	if err != nil {
		return err
	}
	if s.now().Before(v.NotBefore) {
		return unfit(ErrValidation, field, "is not valid before "+v.NotBefore.Format(time.RFC3339), "an earlier begin", nil)
	}
	if err := signed(v, ca); err != nil {
		return unfit(ErrValidation, field, "is not signed by the CA: "+err.Error(), "a certificate of that CA", err)
	}
	code, err := s.codes.Find(ctx, s.tenant)
	if err != nil {
		return fmt.Errorf("certs: read the registration code: %w", err)
	}
	if code.Revision == 0 || v.Subject.CommonName != code.Value {
		return &Error{
			Kind: ErrRegistrationCode, Field: field, Value: shorten(v.Subject.CommonName), Want: "the registration code",
			Message: fmt.Sprintf("The common name of the verification certificate is %q, expected the registration code", shorten(v.Subject.CommonName)),
		}
	}
	return nil
}
