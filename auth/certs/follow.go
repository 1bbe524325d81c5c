package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// A CAFile is a file with certificates of CAs.
type CAFile struct {
	// Name is the file's. It has one CA certificate or more, in PEM form.
	Name string
	// AllowAutoRegistration registers the certificates of these CAs when they are first
	// used.
	AllowAutoRegistration bool
}

// FollowerConfig configures a [Follower].
type FollowerConfig struct {
	// CAFiles are the files of the CAs with which certificates may be registered. Default:
	// there are none.
	CAFiles []CAFile
	// CRLFile has CRLs, as LoadCRL takes them, of those CAs or others that are registered.
	// Default: there are none.
	CRLFile string
	// Every is how often Run looks at the files. Default one minute; negative: never, only
	// Reload does.
	Every time.Duration
	// Logger gets what has changed and what is wrong with the files. Default
	// slog.Default().
	Logger *slog.Logger
}

// A Follower keeps the CAs and the CRLs of a [Service] as they are in files, so that they
// can be replaced while connections are there. For the certificate of the server there is
// the [Reloader]. All methods may be called concurrently.
//
// A CA that comes into the files is registered, active and with the mode Default: the host
// vouches for its files. One that goes from them becomes INACTIVE, so that no certificate
// is registered with it any more; those that are stay, until a CRL or somebody else revokes
// them. What was registered before the Follower was there stays as it is as long as it is
// in the files. CRLs are loaded as [Service.LoadCRL] says: when a call returns whoever it
// revokes is REVOKED, and Config.Changed has ended its connections.
//
// A file that cannot be used changes nothing: what it said before stays, and the other
// files count.
type Follower struct {
	s   *Service
	cfg FollowerConfig

	mu     sync.Mutex
	stamps []stamp
	files  [][]*x509.Certificate // of each CAFile, as it could last be used
	active map[string]bool       // ids of the CAs that were registered; true: with auto registration
	begun  bool                  // the files were read before
}

// NewFollower reads the files. The error says which one is wrong; what is in the others is
// registered all the same.
func NewFollower(ctx context.Context, s *Service, cfg FollowerConfig) (*Follower, error) {
	for i, file := range cfg.CAFiles {
		if file.Name == "" {
			return nil, fmt.Errorf("certs: FollowerConfig.CAFiles[%d].Name is empty, expected the name of a file", i)
		}
	}
	if cfg.Every == 0 {
		cfg.Every = time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.CAFiles = slices.Clone(cfg.CAFiles)
	f := &Follower{s: s, cfg: cfg, files: make([][]*x509.Certificate, len(cfg.CAFiles)), active: map[string]bool{}}
	if err := f.Reload(ctx); err != nil {
		return nil, err
	}
	f.begun = true
	return f, nil
}

// Reload reads the files anew, whether they have changed or not. The error names each that
// is wrong.
func (f *Follower) Reload(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reload(ctx)
}

// Run reads the files when they have changed, until ctx ends. It returns nil then; what is
// wrong is logged and tried again the next time.
func (f *Follower) Run(ctx context.Context) error {
	if f.cfg.Every < 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(f.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.poll(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *Follower) poll(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Equal(f.look(), f.stamps) {
		return
	}
	if err := f.reload(ctx); err != nil && ctx.Err() == nil {
		f.cfg.Logger.Warn("certs: CAs or CRLs were not renewed", "err", err)
	}
}

func (f *Follower) look() []stamp {
	names := []string{f.cfg.CRLFile}
	for _, file := range f.cfg.CAFiles {
		names = append(names, file.Name)
	}
	return look(names...)
}

func (f *Follower) reload(ctx context.Context) error {
	stamps := f.look()
	var errs []error
	for i, file := range f.cfg.CAFiles {
		list, err := f.read(file.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("certs: CAFiles[%d] is %q, expected a file of CA certificates in PEM form: %w", i, file.Name, err))
			continue
		}
		f.files[i] = list
	}
	// CAs before their CRLs.
	errs = append(errs, f.followCAs(ctx), f.followCRL(ctx))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	f.stamps = stamps
	return nil
}

// read reads the certificates of a file. All that are new must be such that they can be
// registered; those that are may have expired meanwhile.
func (f *Follower) read(name string) (list []*x509.Certificate, err error) {
	rest, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	begun := bytes.Count(rest, []byte("-----BEGIN "))
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it has a PEM block of type %q", shorten(b.Type))
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		if _, followed := f.active[Fingerprint(c)]; !followed {
			if _, err := parseCA("caCertificate", certificatePEM(c.Raw), f.s.now()); err != nil {
				return nil, err
			}
		}
		list = append(list, c)
	}
	switch {
	case len(list) < begun: // left out, as of a file that is half written: its CA must not be taken for gone
		return nil, fmt.Errorf("%d of its %d PEM blocks cannot be read", begun-len(list), begun)
	case list == nil:
		return nil, errors.New("it has no certificate")
	}
	return list, nil
}

// followCAs registers the CAs that are in the files, and deactivates those that have gone.
func (f *Follower) followCAs(ctx context.Context) error {
	type ca struct {
		certificate *x509.Certificate
		auto        bool
	}
	there := map[string]ca{}
	for i, list := range f.files {
		for _, c := range list {
			id := Fingerprint(c)
			there[id] = ca{c, there[id].auto || f.cfg.CAFiles[i].AllowAutoRegistration}
		}
	}
	var errs []error
	for id, ca := range there {
		if auto, ok := f.active[id]; ok && auto == ca.auto {
			continue
		}
		if err := f.register(ctx, id, ca.certificate, ca.auto); err != nil {
			errs = append(errs, err)
			continue
		}
		f.active[id] = ca.auto
	}
	for id := range f.active {
		if _, ok := there[id]; ok {
			continue
		}
		if err := f.s.UpdateCACertificate(ctx, UpdateCAInput{ID: id, Status: CAInactive}); err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
			continue
		}
		delete(f.active, id)
		f.cfg.Logger.Info("certs: a CA is not in the files any more and is inactive now", "ca", id)
	}
	return errors.Join(errs...)
}

func (f *Follower) register(ctx context.Context, id string, c *x509.Certificate, auto bool) error {
	_, _, err := f.s.RegisterCACertificate(ctx, RegisterCAInput{PEM: certificatePEM(c.Raw), Vouched: true, SetAsActive: true, AllowAutoRegistration: auto})
	if errors.Is(err, ErrExists) && f.begun {
		in := UpdateCAInput{ID: id, Status: CAActive, Auto: Disable}
		if auto {
			in.Auto = Enable
		}
		err = f.s.UpdateCACertificate(ctx, in)
	}
	if err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	if f.begun {
		f.cfg.Logger.Info("certs: a CA of the files is active", "ca", id, "autoRegistration", auto)
	}
	return nil
}

// followCRL loads the CRLs of the file.
func (f *Follower) followCRL(ctx context.Context) error {
	if f.cfg.CRLFile == "" {
		return nil
	}
	data, err := os.ReadFile(f.cfg.CRLFile)
	if err != nil {
		return fmt.Errorf("certs: CRLFile is %q, expected a file of CRLs: %w", f.cfg.CRLFile, err)
	}
	lists, err := f.s.LoadCRL(ctx, data)
	for _, l := range lists {
		if len(l.Revoked) > 0 {
			f.cfg.Logger.Info("certs: a CRL revoked certificates", "ca", l.CA, "certificates", len(l.Revoked))
		}
	}
	if err != nil {
		return fmt.Errorf("certs: CRLFile is %q, expected a file of CRLs: %w", f.cfg.CRLFile, err)
	}
	return nil
}
