package saml

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/crewjam/saml"
	"github.com/crewjam/saml/samlsp"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/kept"
	"github.com/thinghub/thinghub/auth/internal/web"
	"github.com/thinghub/thinghub/auth/sts"
)

// A Provider proves assertions of one identity provider. It is an [auth.TokenVerifier];
// its methods may be called concurrently.
type Provider struct {
	cfg      Config
	acs      url.URL
	method   string                              // of signing requests, "" for none
	given    *saml.EntityDescriptor              // the metadata, if it is given
	metadata *kept.Value[*saml.EntityDescriptor] // else
	client   *http.Client
	used     used
}

var (
	_ auth.TokenVerifier    = (*Provider)(nil)
	_ sts.AssertionVerifier = (*Provider)(nil)
)

// New returns a Provider. It asks nobody: metadata is fetched when it is needed. The error
// names the field of cfg that is wrong.
func New(cfg Config) (*Provider, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Provider{cfg: cfg, client: web.Client(cfg.Client, cfg.Timeout), used: used{dir: cfg.Directory}}
	acs, err := url.Parse(cfg.ACSURL)
	if err != nil {
		return nil, fmt.Errorf("saml: Config.ACSURL: %w", err)
	}
	p.acs = *acs
	if cfg.Key != nil {
		if p.method, err = cfg.method(); err != nil {
			return nil, err
		}
	}
	if len(cfg.Metadata) > 0 {
		if p.given, err = p.read(cfg.Metadata); err != nil {
			return nil, fmt.Errorf("saml: Config.Metadata: %w", err)
		}
		return p, nil
	}
	p.metadata = kept.New(kept.Config{
		Cooldown: cfg.Cooldown, KeepFor: cfg.KeepFor, Name: "saml: " + cfg.MetadataURL, Now: cfg.Now, RefreshAfter: cfg.RefreshAfter, Timeout: cfg.Timeout,
	}, p.fetch)
	return p, nil
}

// fetch gets metadata.
func (p *Provider) fetch(ctx context.Context, _ *kept.Snapshot[*saml.EntityDescriptor]) (*saml.EntityDescriptor, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cfg.MetadataURL, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/samlmetadata+xml, application/xml, text/xml")
	status, text, err := web.Do(p.client, r)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("status %d, expected 200", status)
	}
	return p.read(text)
}

// read reads metadata.
func (p *Provider) read(text []byte) (*saml.EntityDescriptor, error) {
	if err := checkMarkup(text); err != nil {
		return nil, err
	}
	var e *saml.EntityDescriptor
	var err error
	switch signed := len(p.cfg.MetadataCertificates) > 0; {
	case p.cfg.IdentityProvider == "" && signed:
		e, err = samlsp.ParseSignedMetadata(text, p.cfg.MetadataCertificates)
	case p.cfg.IdentityProvider == "":
		e, err = samlsp.ParseMetadata(text)
	case signed:
		e, err = samlsp.ParseSignedMetadataByEntityID(text, p.cfg.IdentityProvider, p.cfg.MetadataCertificates)
	default:
		e, err = samlsp.ParseMetadataByEntityID(text, p.cfg.IdentityProvider)
	}
	if err != nil {
		return nil, web.Brief(err)
	}
	if e.EntityID == "" || len(e.IDPSSODescriptors) == 0 {
		return nil, errors.New("no identity provider is described, expected an EntityDescriptor with an IDPSSODescriptor")
	}
	for _, d := range e.IDPSSODescriptors {
		for _, k := range d.KeyDescriptors {
			if k.Use != "encryption" && len(k.KeyInfo.X509Data.X509Certificates) > 0 {
				return e, nil
			}
		}
	}
	return nil, errors.New("there is no certificate for signatures")
}

// current returns metadata.
func (p *Provider) current(ctx context.Context) (*saml.EntityDescriptor, *kept.Snapshot[*saml.EntityDescriptor], error) {
	if p.given != nil {
		return p.given, nil, nil
	}
	s, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, nil, err
	}
	return s.Value, s, nil
}

// newer returns metadata that was fetched after s, nil if there is none.
func (p *Provider) newer(ctx context.Context, s *kept.Snapshot[*saml.EntityDescriptor]) (*saml.EntityDescriptor, error) {
	if s == nil {
		return nil, nil
	}
	n, err := p.metadata.Newer(ctx, s)
	if err != nil || n == s {
		return nil, err
	}
	return n.Value, nil
}

// service is us, as the library has it, at some time.
func (p *Provider) service(idp *saml.EntityDescriptor, now time.Time) *saml.ServiceProvider {
	return &saml.ServiceProvider{
		EntityID: p.cfg.EntityID, AcsURL: p.acs, IDPMetadata: idp, Key: p.cfg.Key, Certificate: p.cfg.Certificate,
		AuthnNameIDFormat: saml.NameIDFormat(p.cfg.NameIDFormat), SignatureMethod: p.method, LimitRelayStateLength: true,
		AssertionConsumerServiceBindings: []string{saml.HTTPPostBinding},
		Clock:                            dsig.NewFakeClockAt(now), // one moment for all checks
		IgnoreCertificateExpiry:          p.cfg.IgnoreCertificateExpiry,
		RejectExpiredIDPMetadata:         true, RejectSHA1Signatures: true, RejectUnknownConditions: true, RequireSignedResponseForCBC: true,
	}
}
