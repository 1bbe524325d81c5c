package provision_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/provision/provisiontest"
)

// The rooms that the package asks for, in memory: certificates are real ones, and the
// errors are those that the interfaces promise.

// They are what the package asks for.
func TestRooms(t *testing.T) {
	t.Parallel()
	provisiontest.TestCertificates(t, func(t *testing.T) provisiontest.Certificates {
		w := newWorld(t)
		return provisiontest.Certificates{Certificates: certificates{w}, Attach: func(t *testing.T, id string) {
			_, err := policies{w}.Attach(t.Context(), "pumps", arnPrefix+"cert/"+id)
			require.NoError(t, err)
		}}
	})
	provisiontest.TestThings(t, func(t *testing.T) provisiontest.Things {
		return provisiontest.Things{Things: things{newWorld(t)}, Type: "pump", Billing: "bill", Groups: [3]string{"g1", "g2", "g3"}}
	})
	provisiontest.TestPolicies(t, func(t *testing.T) provision.Policies { return policies{newWorld(t)} })
}

// An authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  string
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(20, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{key, cert, toPEM("CERTIFICATE", der)}, err
}

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// sign makes a certificate for a public key.
func (a *authority) sign(public any, subject pkix.Name, expires time.Time) (id, text string, err error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: subject, NotBefore: time.Now().Add(-time.Minute), NotAfter: expires}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), toPEM("CERTIFICATE", der), nil
}

// request makes a certificate signing request.
func request(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "device"}}, key)
	require.NoError(t, err)
	return toPEM("CERTIFICATE REQUEST", der)
}

type certificates struct{ *world }

func (c certificates) add(id, text string, status provision.Status, hidden bool) provision.Certificate {
	r := &certificateRecord{provision.Certificate{ID: id, PEM: text, Status: status}, hidden}
	c.certificates[id] = r
	return r.Certificate
}

func (c certificates) withKeys(status provision.Status, expires time.Time, hidden bool) (n provision.NewCertificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return n, err
	}
	id, text, err := c.ca.sign(key.Public(), pkix.Name{CommonName: "AWS IoT Certificate"}, expires)
	if err != nil {
		return n, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return n, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return n, err
	}
	n = provision.NewCertificate{PublicKey: toPEM("PUBLIC KEY", public), PrivateKey: toPEM("PRIVATE KEY", private)}
	n.Certificate = c.add(id, text, status, hidden)
	return n, nil
}

func (c certificates) CreateKeys(context.Context) (n provision.NewCertificate, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin("certificates.CreateKeys"); err != nil {
		return n, err
	}
	return c.withKeys(provision.PendingActivation, time.Now().AddDate(20, 0, 0), false)
}

func (c certificates) CreateFromCSR(_ context.Context, csr string) (n provision.Certificate, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin("certificates.CreateFromCSR"); err != nil {
		return n, err
	}
	block, _ := pem.Decode([]byte(csr))
	if block == nil {
		return n, fmt.Errorf("%w: the certificate signing request is no PEM", provision.ErrInvalid)
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || r.CheckSignature() != nil {
		return n, fmt.Errorf("%w: the certificate signing request is none", provision.ErrInvalid)
	}
	id, text, err := c.ca.sign(r.PublicKey, r.Subject, time.Now().AddDate(20, 0, 0))
	if err != nil {
		return n, err
	}
	return c.add(id, text, provision.PendingActivation, false), nil
}

func (c certificates) Register(_ context.Context, text, ca string) (n provision.Certificate, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin("certificates.Register"); err != nil {
		return n, err
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return n, fmt.Errorf("%w: the certificate is no PEM", provision.ErrInvalid)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return n, fmt.Errorf("%w: the certificate is none", provision.ErrInvalid)
	}
	if ca != "" && (ca != c.ca.pem || cert.CheckSignatureFrom(c.ca.cert) != nil) {
		return n, fmt.Errorf("%w: the authority is not registered or has not signed it", provision.ErrInvalid)
	}
	sum := sha256.Sum256(block.Bytes)
	id := hex.EncodeToString(sum[:])
	if c.certificates[id] != nil {
		return n, fmt.Errorf("%w: certificate %s", provision.ErrExists, id)
	}
	return c.add(id, text, provision.Inactive, false), nil
}

func (c certificates) Describe(_ context.Context, id string) (n provision.Certificate, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin("certificates.Describe"); err != nil {
		return n, err
	}
	if r := c.certificates[id]; r != nil {
		return r.Certificate, nil
	}
	return n, fmt.Errorf("%w: certificate %s", provision.ErrNotFound, id)
}

func (c certificates) find(id string, has provision.Status) (*certificateRecord, error) {
	r := c.certificates[id]
	switch {
	case r == nil:
		return nil, fmt.Errorf("%w: certificate %s", provision.ErrNotFound, id)
	case r.Status != has:
		return nil, fmt.Errorf("%w: certificate %s is %s", provision.ErrUpdateConflict, id, r.Status)
	}
	return r, nil
}

func (c certificates) SetStatus(_ context.Context, id string, from, to provision.Status) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin("certificates.SetStatus"); err != nil {
		return err
	}
	r, err := c.find(id, from)
	if err != nil {
		return err
	}
	r.Status = to
	return nil
}

func (c certificates) Delete(_ context.Context, id string, has provision.Status) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin("certificates.Delete"); err != nil {
		return err
	}
	if _, err := c.find(id, has); err != nil {
		return err
	}
	arn := arnPrefix + "cert/" + id
	for _, in := range []map[string][]string{c.attached, c.targets} {
		for name, principals := range in {
			if slices.Contains(principals, arn) {
				return fmt.Errorf("%w: certificate %s by %s", provision.ErrDeleteConflict, id, name)
			}
		}
	}
	delete(c.certificates, id)
	return nil
}

func (c certificates) CreateClaim(_ context.Context, claim provision.Claim) (n provision.NewCertificate, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin("certificates.CreateClaim"); err != nil {
		return n, err
	}
	return c.withKeys(provision.Active, claim.Expires, true)
}

type things struct{ *world }

func (h things) get(name string) (*provision.Thing, error) {
	if th := h.things[name]; th != nil {
		return th, nil
	}
	return nil, fmt.Errorf("%w: thing %s", provision.ErrNotFound, name)
}

func (h things) Describe(_ context.Context, name string) (provision.Thing, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.begin("things.Describe"); err != nil {
		return provision.Thing{}, err
	}
	th, err := h.get(name)
	if err != nil {
		return provision.Thing{}, err
	}
	out := *th
	out.Attributes, out.Groups = maps.Clone(th.Attributes), slices.Clone(th.Groups)
	return out, nil
}

func (h things) check(th provision.Thing) error {
	if th.Type != "" && !slices.Contains(h.types, th.Type) {
		return fmt.Errorf("%w: thing type %s", provision.ErrNotFound, th.Type)
	}
	if len(th.Attributes) > 3 {
		return fmt.Errorf("%w: %d attributes", provision.ErrInvalid, len(th.Attributes))
	}
	return nil
}

func (h things) Create(_ context.Context, th provision.Thing) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.begin("things.Create"); err != nil {
		return err
	}
	if h.things[th.Name] != nil {
		return fmt.Errorf("%w: thing %s", provision.ErrExists, th.Name)
	}
	if err := h.check(th); err != nil {
		return err
	}
	th.Version, th.Groups = 1, nil
	h.things[th.Name] = &th
	return nil
}

func (h things) Update(_ context.Context, th provision.Thing) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.begin("things.Update"); err != nil {
		return 0, err
	}
	old, err := h.get(th.Name)
	if err != nil {
		return 0, err
	}
	if old.Version != th.Version {
		return 0, fmt.Errorf("%w: thing %s has version %d", provision.ErrUpdateConflict, th.Name, old.Version)
	}
	if err := h.check(th); err != nil {
		return 0, err
	}
	old.Type, old.Attributes = th.Type, maps.Clone(th.Attributes)
	old.Version++
	return old.Version, nil
}

func (h things) Delete(_ context.Context, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.begin("things.Delete"); err != nil {
		return err
	}
	if _, err := h.get(name); err != nil {
		return err
	}
	if len(h.attached[name]) > 0 {
		return fmt.Errorf("%w: thing %s", provision.ErrDeleteConflict, name)
	}
	delete(h.things, name)
	return nil
}

func (h things) Regroup(_ context.Context, name string, join, leave []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.begin("things.Regroup"); err != nil {
		return err
	}
	th, err := h.get(name)
	if err != nil {
		return err
	}
	for _, g := range join {
		if !slices.Contains(h.groups, g) {
			return fmt.Errorf("%w: thing group %s", provision.ErrNotFound, g)
		}
	}
	th.Groups = slices.DeleteFunc(th.Groups, func(g string) bool { return slices.Contains(leave, g) || slices.Contains(join, g) })
	th.Groups = append(th.Groups, join...)
	return nil
}

func (h things) SetBillingGroup(_ context.Context, name, group string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.begin("things.SetBillingGroup"); err != nil {
		return err
	}
	th, err := h.get(name)
	if err != nil {
		return err
	}
	th.BillingGroup = group
	return nil
}

func (h things) Attach(_ context.Context, name, principal string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.begin("things.Attach"); err != nil {
		return false, err
	}
	if _, err := h.get(name); err != nil {
		return false, err
	}
	if slices.Contains(h.attached[name], principal) {
		return false, nil
	}
	h.attached[name] = append(h.attached[name], principal)
	return true, nil
}

func (h things) Detach(_ context.Context, name, principal string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.begin("things.Detach"); err != nil {
		return err
	}
	h.attached[name] = slices.DeleteFunc(h.attached[name], func(p string) bool { return p == principal })
	return nil
}

type policies struct{ *world }

func (p policies) Document(_ context.Context, name string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.begin("policies.Document"); err != nil {
		return "", err
	}
	if d, ok := p.policies[name]; ok {
		return d, nil
	}
	return "", fmt.Errorf("%w: policy %s", provision.ErrNotFound, name)
}

func (p policies) Create(_ context.Context, name, document string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.begin("policies.Create"); err != nil {
		return err
	}
	if _, ok := p.policies[name]; ok {
		return fmt.Errorf("%w: policy %s", provision.ErrExists, name)
	}
	var d map[string]any
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return fmt.Errorf("%w: policy document: %w", provision.ErrInvalid, err)
	}
	if statement := d["Statement"]; statement != nil {
		if _, ok := statement.([]any); !ok {
			return fmt.Errorf("%w: policy document: Statement is no list", provision.ErrInvalid)
		}
	}
	p.policies[name] = document
	return nil
}

func (p policies) Delete(_ context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.begin("policies.Delete"); err != nil {
		return err
	}
	if _, ok := p.policies[name]; !ok {
		return fmt.Errorf("%w: policy %s", provision.ErrNotFound, name)
	}
	if len(p.targets[name]) > 0 {
		return fmt.Errorf("%w: policy %s", provision.ErrDeleteConflict, name)
	}
	delete(p.policies, name)
	return nil
}

func (p policies) Attach(_ context.Context, name, target string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.begin("policies.Attach"); err != nil {
		return false, err
	}
	if _, ok := p.policies[name]; !ok {
		return false, fmt.Errorf("%w: policy %s", provision.ErrNotFound, name)
	}
	if slices.Contains(p.targets[name], target) {
		return false, nil
	}
	p.targets[name] = append(p.targets[name], target)
	return true, nil
}

func (p policies) Detach(_ context.Context, name, target string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.begin("policies.Detach"); err != nil {
		return err
	}
	p.targets[name] = slices.DeleteFunc(p.targets[name], func(x string) bool { return x == target })
	return nil
}
