package actions

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// A ClientConfig configures [NewClient].
type ClientConfig struct {
	// AllowPrivate lets requests go to addresses that are not public: this machine, the
	// network it stands in, the metadata services of clouds. Whoever may write rules can
	// then reach what the host can.
	AllowPrivate bool
	// Timeout bounds a request as a whole. Default 10 s.
	Timeout time.Duration
	// TLS is for connections to https:// URLs. Nil: the system's authorities.
	TLS *tls.Config
}

// ErrPrivateAddress is in the chain of errors of requests that would have gone to an
// address that is not public.
var ErrPrivateAddress = errors.New("actions: the address is not a public one")

const maxRedirects = 3

// NewClient returns a client for URLs that come from rules. It looks at the address it
// connects to, after names were resolved; it follows redirects only to the same host,
// and only those that repeat the request; and it knows no proxies and no cookies.
func NewClient(c ClientConfig) *http.Client {
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	d := net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}
	if !c.AllowPrivate {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error { return checkAddress(address) }
	}
	t := &http.Transport{
		DialContext:           d.DialContext,
		ForceAttemptHTTP2:     true,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   8,
		TLSHandshakeTimeout:   c.Timeout,
		ResponseHeaderTimeout: c.Timeout,
	}
	if c.TLS != nil {
		t.TLSClientConfig = c.TLS.Clone()
	}
	return &http.Client{Transport: t, Timeout: c.Timeout, CheckRedirect: sameHost}
}

// sameHost follows a redirect if the request stays what it was.
func sameHost(r *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || r.Method != first.Method || r.URL.Scheme != first.URL.Scheme || r.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse // whose status is no success
	}
	return nil
}

func checkAddress(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrPrivateAddress, address)
	}
	if ip := ap.Addr().Unmap(); !public(ip) {
		return fmt.Errorf("%w: %s", ErrPrivateAddress, ip)
	}
	return nil
}

// special are the networks that netip has no name for, from IANA's registries of
// special-purpose addresses. Those of IPv6 that lead to IPv4 addresses are there too.
var special = func() (nets []netip.Prefix) {
	for _, s := range [...]string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
		"2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
	} {
		nets = append(nets, netip.MustParsePrefix(s))
	}
	return nets
}()

func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.Zone() != "" {
		return false
	}
	for _, n := range special {
		if n.Contains(ip) {
			return false
		}
	}
	return true
}
