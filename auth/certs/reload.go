package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// ReloaderConfig configures a [Reloader].
type ReloaderConfig struct {
	// CertFile has the certificate of the server, with its chain, and KeyFile the key,
	// both in PEM form.
	CertFile, KeyFile string
	// ClientCAFile has CA certificates in PEM form, for hosts that verify clients with
	// tls.RequireAndVerifyClientCert. Default: there are none.
	ClientCAFile string
	// Every is how long after the files were looked at a handshake looks again. Default
	// one minute; negative: only Reload does.
	Every time.Duration
	// Logger gets what is wrong with the files. Default slog.Default().
	Logger *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// A Reloader keeps the certificate of a server, and CAs of its clients, as they are in
// files, so that they can be renewed without a restart. Connections that are there stay.
// CAs and CRLs of a [Service] are followed by a [Follower].
// If the files cannot be used what was read before stays. All methods may be called
// concurrently.
type Reloader struct {
	cfg ReloaderConfig

	mu      sync.Mutex
	seen    time.Time
	stamps  []stamp
	cert    *tls.Certificate
	clients *x509.CertPool
	bases   map[*tls.Config]*tls.Config // what TLSConfig made, until the next reload
}

// A stamp changes with a file, as far as can be seen from outside.
type stamp struct {
	size    int64
	changed time.Time
}

// NewReloader reads the files. The error says which one is wrong.
func NewReloader(cfg ReloaderConfig) (*Reloader, error) {
	if cfg.CertFile == "" || cfg.KeyFile == "" {
		return nil, errors.New("certs: ReloaderConfig.CertFile or KeyFile is empty, expected the names of files")
	}
	if cfg.Every == 0 {
		cfg.Every = time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Reloader{cfg: cfg}
	return r, r.Reload()
}

// Reload reads the files anew, whether they have changed or not. If one is wrong
// everything stays as it was.
func (r *Reloader) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reload()
}

func (r *Reloader) reload() error {
	stamps := r.look()
	r.seen = r.cfg.Now()
	cert, err := tls.LoadX509KeyPair(r.cfg.CertFile, r.cfg.KeyFile)
	if err != nil {
		return fmt.Errorf("certs: load %s and %s: %w", r.cfg.CertFile, r.cfg.KeyFile, err)
	}
	var clients *x509.CertPool
	if r.cfg.ClientCAFile != "" {
		text, err := os.ReadFile(r.cfg.ClientCAFile)
		if err != nil {
			return fmt.Errorf("certs: load the CAs of clients: %w", err)
		}
		clients = x509.NewCertPool()
		if !clients.AppendCertsFromPEM(text) {
			return fmt.Errorf("certs: %s has no certificate in PEM form", r.cfg.ClientCAFile)
		}
	}
	r.stamps, r.cert, r.clients, r.bases = stamps, &cert, clients, nil
	return nil
}

func (r *Reloader) look() []stamp { return look(r.cfg.CertFile, r.cfg.KeyFile, r.cfg.ClientCAFile) }

// look returns the stamps of files. One without a name, or that is not there, has the zero
// stamp.
func look(names ...string) []stamp {
	stamps := make([]stamp, len(names))
	for i, name := range names {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			stamps[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return stamps
}

// poll reads the files if it is time to look and they have changed.
func (r *Reloader) poll() {
	now := r.cfg.Now()
	if r.cfg.Every < 0 || now.Sub(r.seen) < r.cfg.Every {
		return
	}
	r.seen = now
	if slices.Equal(r.look(), r.stamps) {
		return
	}
	if err := r.reload(); err != nil {
		r.cfg.Logger.Warn("certs: the certificate of the server was not renewed", "err", err)
	}
}

// GetCertificate is for tls.Config.GetCertificate.
func (r *Reloader) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.poll()
	return r.cert, nil
}

// ClientCAs returns the CAs of ClientCAFile, nil without one. The pool must not be
// modified.
func (r *Reloader) ClientCAs() *x509.CertPool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.poll()
	return r.clients
}

// TLSConfig returns a copy of base, which may be nil, with the certificate and, if there
// is a ClientCAFile, the CAs that are current at each handshake. A session from before
// the CAs were read anew is not resumed.
func (r *Reloader) TLSConfig(base *tls.Config) *tls.Config {
	if base == nil {
		base = &tls.Config{}
	}
	cfg := base.Clone()
	cfg.Certificates, cfg.GetCertificate = nil, r.GetCertificate
	if r.cfg.ClientCAFile == "" {
		return cfg
	}
	plain := cfg.Clone()
	cfg.ClientCAs = r.ClientCAs()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.poll()
		if r.bases[plain] == nil {
			if r.bases == nil {
				r.bases = map[*tls.Config]*tls.Config{}
			}
			c := plain.Clone()
			c.ClientCAs = r.clients
			r.bases[plain] = c
		}
		return r.bases[plain], nil
	}
	return cfg
}
