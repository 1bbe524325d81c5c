package saml

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/crewjam/saml"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// A Pending is somebody who is signing in. It belongs to the browser that was sent to URL,
// and to no other one: the host keeps it in that browser's session, and forgets it with
// the first call of Finish. As JSON it fits into an encrypted cookie, which must be
// SameSite=None: the identity provider's page posts to ours.
type Pending struct {
	// URL is where the browser goes. It is not kept.
	URL string `json:"-"`
	// ID is that of the request, RelayState is random: the browser brings it back.
	ID         string `json:"id"`
	RelayState string `json:"relayState"`
	// Expires is when it is too late.
	Expires time.Time `json:"expires"`
}

// Begin returns an address to send a browser to, and what must be kept until it comes
// back. The error wraps auth.ErrUnavailable: there is no metadata, or it has no address to
// sign in at (HTTP-Redirect).
func (p *Provider) Begin(ctx context.Context) (*Pending, error) {
	idp, _, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	now := p.cfg.Now()
	service := p.service(idp, now)
	at := service.GetSSOBindingLocation(saml.HTTPRedirectBinding)
	if err := web.CheckURL("SingleSignOnService", at, p.cfg.AllowPlain); err != nil {
		return nil, fmt.Errorf("%w: saml: metadata of %s: %w", auth.ErrUnavailable, idp.EntityID, err)
	}
	r, err := service.MakeAuthenticationRequest(at, saml.HTTPRedirectBinding, saml.HTTPPostBinding)
	if err != nil {
		return nil, fmt.Errorf("saml: make a request: %w", err)
	}
	pending := &Pending{ID: r.ID, RelayState: random(), Expires: now.Add(p.cfg.Lifetime)}
	to, err := r.Redirect(pending.RelayState, service)
	if err != nil {
		return nil, fmt.Errorf("saml: make a request: %w", err)
	}
	pending.URL = to.String()
	return pending, nil
}

// random is 32 bytes that nobody can guess, as text.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // which never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Finish checks what a browser has come back with: form is that of its request to
// Config.ACSURL. Errors are as of Verify; it wraps auth.ErrBadCredentials, too, if that is
// not the browser which was sent, it is too late, or the request was answered before.
//
// With Config.Reusable and a Directory, whoever has signed in may take the SAMLResponse of
// the form to an identity pool or to AssumeRoleWithSAML: it counts there now, as long as it
// is in time, with this Provider and with others of the Directory.
func (p *Provider) Finish(ctx context.Context, pending *Pending, form url.Values) (*Assertion, error) {
	switch {
	case pending == nil || pending.ID == "" || pending.RelayState == "":
		return nil, refuse(errors.New("nobody is signing in: Pending is incomplete"))
	case len(form["RelayState"]) != 1 || subtle.ConstantTimeCompare([]byte(form.Get("RelayState")), []byte(pending.RelayState)) != 1:
		return nil, refuse(errors.New("RelayState is not the one that was sent"))
	case !p.cfg.Now().Before(pending.Expires):
		return nil, refuse(fmt.Errorf("it has taken longer than %v to sign in", p.cfg.Lifetime))
	case len(form["SAMLResponse"]) != 1:
		return nil, refuse(errors.New("SAMLResponse is not there once"))
	}
	a, err := p.assert(ctx, form.Get("SAMLResponse"), pending.ID)
	if err == nil && p.cfg.Reusable && p.cfg.Directory != nil {
		err = p.used.take(ctx, a, p.cfg.Now())
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// HandlerConfig says what a [Provider.Handler] does besides checking.
type HandlerConfig struct {
	// Take returns who is signing in with the browser of a request, and forgets it; nil
	// for nobody.
	Take func(r *http.Request) *Pending
	// Done answers somebody who has signed in.
	Done func(w http.ResponseWriter, r *http.Request, a *Assertion)
	// Failed answers everybody else. Default: status 403, or 503 if the error wraps
	// auth.ErrUnavailable, and no details.
	Failed func(w http.ResponseWriter, r *http.Request, err error)
}

// Handler returns the page at Config.ACSURL. The error says that Take or Done is nil.
func (p *Provider) Handler(cfg HandlerConfig) (http.Handler, error) {
	if cfg.Take == nil || cfg.Done == nil {
		return nil, errors.New("saml: HandlerConfig.Take or Done is nil, expected both")
	}
	if cfg.Failed == nil {
		cfg.Failed = func(w http.ResponseWriter, _ *http.Request, err error) {
			status := http.StatusForbidden
			if errors.Is(err, auth.ErrUnavailable) {
				status = http.StatusServiceUnavailable
			}
			http.Error(w, http.StatusText(status), status)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, int64(p.cfg.MaxBytes)*3+4096) // in base64, with every byte encoded again at worst
		if err := r.ParseForm(); err != nil {
			cfg.Failed(w, r, refuse(errors.New("the form cannot be read")))
			return
		}
		a, err := p.Finish(r.Context(), cfg.Take(r), r.PostForm)
		if err != nil {
			cfg.Failed(w, r, err)
			return
		}
		cfg.Done(w, r, a)
	}), nil
}

// ServiceMetadata is what identity providers want to know of us, as XML: the entity id,
// the ACSURL, the certificate if there is one.
func (p *Provider) ServiceMetadata() ([]byte, error) {
	text, err := xml.MarshalIndent(p.service(&saml.EntityDescriptor{}, p.cfg.Now()).Metadata(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("saml: metadata: %w", err)
	}
	return append([]byte(xml.Header), text...), nil
}
