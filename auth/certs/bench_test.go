package certs_test

import (
	"testing"

	"github.com/thinghub/thinghub/auth/certs"
)

func BenchmarkAuthenticate(b *testing.B) {
	s := newService(b)
	_, c := issue(b, s)
	creds := shown(c)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), creds); err != nil {
			b.Fatal(err)
		}
	}
}

// With many certificates, of which each connects once in a while.
func BenchmarkAuthenticateMany(b *testing.B) {
	const n = 1000
	s := newService(b)
	creds := make([]func() error, n)
	for i := range creds {
		_, c := issue(b, s)
		shown := shown(c)
		creds[i] = func() error { _, err := s.Authenticate(b.Context(), shown); return err }
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := creds[i%n](); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkCreateKeysAndCertificate(b *testing.B) {
	for name, keys := range map[string]certs.KeyType{"P256": certs.P256, "RSA2048": certs.RSA2048} {
		b.Run(name, func(b *testing.B) {
			s := newService(b, func(c *certs.Config) { c.Keys = keys })
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.CreateKeysAndCertificate(b.Context(), true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
