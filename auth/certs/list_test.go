package certs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
)

// pages reads a list page by page.
func pages[T any](t *testing.T, size int, ascending bool, list func(certs.Page) ([]T, string, error)) (all []T) {
	t.Helper()
	p := certs.Page{Size: size, Ascending: ascending}
	for range 1000 {
		items, next, err := list(p)
		require.NoError(t, err)
		require.NotNil(t, items)
		require.LessOrEqual(t, len(items), size)
		all = append(all, items...)
		if next == "" {
			return all
		}
		require.Len(t, items, size)
		require.Regexp(t, `^[A-Za-z0-9+/]+={0,2}$`, next)
		require.LessOrEqual(t, len(next), 1024)
		p.Marker = next
	}
	t.Fatal("the list has no end")
	return nil
}

func ids(list []certs.Summary) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, c.ID)
	}
	return out
}

func TestListCertificates(t *testing.T) {
	t.Parallel()
	for _, ticks := range []bool{true, false} { // a clock may stand still
		t.Run(fmt.Sprint("clock ticks: ", ticks), func(t *testing.T) {
			t.Parallel()
			c := newClock()
			s := newService(t, func(cfg *certs.Config) { cfg.Now = c.time })
			var made []string
			for range 30 {
				out, _ := issue(t, s)
				made = append(made, out.ID)
				if ticks {
					c.forward(time.Nanosecond)
				}
			}
			list := func(p certs.Page) ([]certs.Summary, string, error) { return s.ListCertificates(t.Context(), p) }
			up := ids(pages(t, 7, true, list))
			if ticks {
				require.Equal(t, made, up)
			} else {
				require.ElementsMatch(t, made, up)
			}
			down := ids(pages(t, 7, false, list))
			slices.Reverse(down)
			require.Equal(t, up, down)
			require.Equal(t, up, ids(pages(t, 250, true, list)))
			require.Equal(t, up, ids(pages(t, 1, true, list)))
			usual, next, err := s.ListCertificates(t.Context(), certs.Page{})
			require.NoError(t, err)
			require.Len(t, usual, 25)
			require.NotEmpty(t, next)
			d, err := s.DescribeCertificate(t.Context(), usual[0].ID)
			require.NoError(t, err)
			require.Equal(t, certs.Summary{ID: d.ID, ARN: d.ARN, Status: certs.Active, Mode: certs.Default, Created: d.Created}, usual[0])
			byCA, _, err := s.ListCertificatesByCA(t.Context(), d.CA, certs.Page{Size: 250, Ascending: true})
			require.NoError(t, err)
			require.Equal(t, up, ids(byCA))
		})
	}
}

// A marker stays good when certificates come and go.
func TestListWhileItChanges(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var made []string
	for range 6 {
		out, err := s.CreateKeysAndCertificate(t.Context(), false)
		require.NoError(t, err)
		made = append(made, out.ID)
	}
	first, next, err := s.ListCertificates(t.Context(), certs.Page{Size: 2, Ascending: true})
	require.NoError(t, err)
	require.Equal(t, made[:2], ids(first))
	for _, i := range []int{0, 1, 3} { // also the one that the marker names
		require.NoError(t, s.DeleteCertificate(t.Context(), made[i], false))
	}
	late, err := s.CreateKeysAndCertificate(t.Context(), false)
	require.NoError(t, err)
	rest, next, err := s.ListCertificates(t.Context(), certs.Page{Size: 10, Ascending: true, Marker: next})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Equal(t, []string{made[2], made[4], made[5], late.ID}, ids(rest))
}

func TestListRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for range 3 {
		issue(t, s)
	}
	_, next, err := s.ListCertificates(t.Context(), certs.Page{Size: 1})
	require.NoError(t, err)
	changed := "A"
	if next[:1] == changed {
		changed = "B"
	}
	for name, p := range map[string]certs.Page{
		"no page": {Size: -1}, "too much": {Size: 251}, "no base64": {Marker: "%"}, "not ours": {Marker: "AAAAAAAA"},
		"short": {Marker: "AA=="}, "turned round": {Marker: next, Ascending: true}, "changed": {Marker: changed + next[1:]},
	} {
		_, _, err := s.ListCertificates(t.Context(), p)
		is(t, err, certs.ErrInvalid, "1 validation error detected")
		require.NotContains(t, name, "\n")
	}
	_, _, err = s.ListOutgoingCertificates(t.Context(), certs.Page{Marker: next})
	is(t, err, certs.ErrInvalid, "'marker'")
	_, _, err = s.ListCertificatesByCA(t.Context(), "x", certs.Page{})
	is(t, err, certs.ErrInvalid, "'caCertificateId'")
	_, _, err = s.ListCACertificates(t.Context(), "a b", certs.Page{})
	is(t, err, certs.ErrInvalid, "'templateName'")
	none, next, err := s.ListCertificatesByCA(t.Context(), strings.Repeat("a", 64), certs.Page{})
	require.NoError(t, err)
	require.Empty(t, next)
	require.NotNil(t, none)
	require.Empty(t, none)
}

func TestListCACertificates(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var made []string
	for i := range 5 {
		made = append(made, registerCA(t, s, newCA(t, "same name"), func(in *certs.RegisterCAInput) {
			if i%2 == 0 {
				in.Config = &certs.RegistrationConfig{TemplateName: "fleet"}
			}
		}))
	}
	read := func(template string, size int, up bool) (all []string) {
		for _, c := range pages(t, size, up, func(p certs.Page) ([]certs.CASummary, string, error) {
			return s.ListCACertificates(t.Context(), template, p)
		}) {
			require.Equal(t, certs.CAActive, c.Status)
			require.Equal(t, s.CAARN(c.ID), c.ARN)
			require.False(t, c.Created.IsZero())
			all = append(all, c.ID)
		}
		return all
	}
	require.Equal(t, made, read("", 2, true))
	require.Equal(t, []string{made[0], made[2], made[4]}, read("fleet", 2, true))
	require.Equal(t, []string{made[4], made[2], made[0]}, read("fleet", 1, false))
	require.Empty(t, read("none", 2, true))
}
