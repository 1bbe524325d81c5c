package certs_test

import (
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

// What a simple map says of random operations is what the service says.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		dir := auth.NewMemory()
		with := func(c *certs.Config) { c.Directory = dir }
		s := newService(t, with)
		model := map[string]certs.Status{}
		pool := []*x509.Certificate{}
		a := newCA(t, "plant")
		for range 4 {
			leaf, _ := a.device(t)
			pool = append(pool, leaf)
		}
		for range 100 {
			c := pool[rnd.IntN(len(pool))]
			id := certs.Fingerprint(c)
			was, there := model[id]
			to := []certs.Status{certs.Active, certs.Inactive, certs.Revoked}[rnd.IntN(3)]
			switch rnd.IntN(5) {
			case 0:
				_, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(c), Status: to})
				if there {
					is(t, err, certs.ErrExists)
				} else {
					require.NoError(t, err)
					model[id] = to
				}
			case 1, 2:
				err := s.UpdateCertificate(t.Context(), id, to)
				switch {
				case !there:
					is(t, err, certs.ErrNotFound)
				case was != to && (was == certs.Revoked || was == certs.PendingTransfer):
					is(t, err, certs.ErrState)
				default:
					require.NoError(t, err)
					model[id] = to
				}
			case 3:
				err := s.DeleteCertificate(t.Context(), id, rnd.IntN(2) == 0)
				switch {
				case !there:
					is(t, err, certs.ErrNotFound)
				case was == certs.Active || was == certs.PendingTransfer:
					is(t, err, certs.ErrState)
				default:
					require.NoError(t, err)
					delete(model, id)
				}
			case 4:
				if was == certs.PendingTransfer {
					require.NoError(t, s.CancelCertificateTransfer(t.Context(), id))
					model[id] = certs.Inactive
				} else if _, err := s.TransferCertificate(t.Context(), id, other, ""); was == certs.Inactive {
					require.NoError(t, err)
					model[id] = certs.PendingTransfer
				} else {
					require.Error(t, err)
				}
			}
			if rnd.IntN(10) == 0 {
				s = newService(t, with) // a restart changes nothing
			}
			var listed, want []string
			list, _, err := s.ListCertificates(t.Context(), certs.Page{Size: 250})
			require.NoError(t, err)
			for _, l := range list {
				listed = append(listed, l.ID)
				require.Equal(t, model[l.ID], l.Status)
			}
			for id := range model {
				want = append(want, id)
			}
			require.ElementsMatch(t, want, listed)
			for _, c := range pool {
				_, err := connect(t, s, c)
				require.Equal(t, model[certs.Fingerprint(c)] == certs.Active, err == nil, "seed %d", seed)
			}
		}
	}
}

// However a revocation and everything else meet, who is on the list stays out.
func TestConcurrentCRL(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	a := newCA(t, "plant")
	services := []*certs.Service{}
	for range 2 { // two hubs
		services = append(services, newService(t, func(c *certs.Config) { c.Directory = dir }))
	}
	registerCA(t, services[0], a)
	var leaves []*x509.Certificate
	var entries []x509.RevocationListEntry
	for range 40 {
		leaf, _ := a.device(t)
		leaves = append(leaves, leaf)
		entries = append(entries, entry(leaf, 1))
	}
	list := a.crl(t, 1, entries)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i, leaf := range leaves {
		s := services[i%2]
		wg.Go(func() {
			<-start
			switch i % 4 {
			case 0, 1:
				_, _ = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
			default:
				_, _ = connect(t, s, leaf)
			}
			_ = s.UpdateCertificate(t.Context(), certs.Fingerprint(leaf), certs.Active)
		})
	}
	wg.Go(func() {
		<-start
		if _, err := services[1].LoadCRL(t.Context(), list); err != nil {
			t.Errorf("%v", err)
		}
	})
	close(start)
	wg.Wait()
	for _, leaf := range leaves {
		for _, s := range services {
			_, err := connect(t, s, leaf)
			refused(t, err)
		}
		d, err := services[0].DescribeCertificate(t.Context(), certs.Fingerprint(leaf))
		if !errors.Is(err, certs.ErrNotFound) {
			require.NoError(t, err)
			require.Equal(t, certs.Revoked, d.Status)
		}
	}
}

// Hubs that start together over an empty directory have one CA and one code.
func TestConcurrentStart(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	var mu sync.Mutex
	var cas, codes []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := certs.New(certs.Config{Directory: dir})
			if err != nil {
				t.Errorf("%v", err)
				return
			}
			code, err := s.GetRegistrationCode(t.Context())
			if err != nil {
				t.Errorf("%v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			cas, codes = append(cas, s.CAPEM()), append(codes, code)
		})
	}
	wg.Wait()
	require.Len(t, slices.Compact(cas), 1)
	require.Len(t, slices.Compact(codes), 1)
}

// Of two accounts and their owner, one gets it.
func TestConcurrentTransfer(t *testing.T) {
	t.Parallel()
	for range 20 {
		a, b := twoAccounts(t)
		id := in(t, a, certs.PendingTransfer)
		var wg sync.WaitGroup
		var errs [3]error
		wg.Go(func() { errs[0] = b.AcceptCertificateTransfer(t.Context(), id, false) })
		wg.Go(func() { errs[1] = b.RejectCertificateTransfer(t.Context(), id, "") })
		wg.Go(func() { errs[2] = a.CancelCertificateTransfer(t.Context(), id) })
		wg.Wait()
		good := 0
		for _, err := range errs {
			if err == nil {
				good++
			} else {
				require.True(t, errors.Is(err, certs.ErrNotFound) || errors.Is(err, certs.ErrTransferCompleted), "%v", err)
			}
		}
		require.Equal(t, 1, good, "%v", errs)
		list, _, err := a.ListCertificates(t.Context(), certs.Page{})
		require.NoError(t, err)
		theirs, _, err := b.ListCertificates(t.Context(), certs.Page{})
		require.NoError(t, err)
		require.Len(t, append(list, theirs...), 1, "it is somebody's")
		out, _, err := a.ListOutgoingCertificates(t.Context(), certs.Page{})
		require.NoError(t, err)
		require.Empty(t, out)
	}
}
