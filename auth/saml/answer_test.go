package saml_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/saml"
)

// answerTo is a response that answers a request, in base64.
func answerTo(t testing.TB, request string, change ...func(*crewjam.Assertion)) string {
	t.Helper()
	change = append(change, func(a *crewjam.Assertion) {
		a.Subject.SubjectConfirmations[0].SubjectConfirmationData.InResponseTo = request
	})
	return encode(strings.Replace(signed(t, change...), `Version="2.0" IssueInstant`, `InResponseTo="`+request+`" Version="2.0" IssueInstant`, 1))
}

// TestAnswer takes to an exchange what a browser has brought: it counts once Finish has
// taken it, and nothing else that answers the request does.
func TestAnswer(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	shared := func(c *saml.Config) { c.Directory = dir }
	reusable := func(c *saml.Config) { c.Reusable = true }
	page, once := provider(t, shared, reusable), provider(t, shared)
	pending, err := page.Begin(t.Context())
	require.NoError(t, err)
	posted, another := answerTo(t, pending.ID), answerTo(t, pending.ID)
	finish := func(p *saml.Provider, posted string) error {
		_, err := p.Finish(t.Context(), pending, url.Values{"RelayState": {pending.RelayState}, "SAMLResponse": {posted}})
		return err
	}
	for _, p := range []*saml.Provider{page, once} {
		_, err = p.Verify(t.Context(), posted)
		require.ErrorIs(t, err, auth.ErrBadCredentials, "nobody has seen whose browser it came from")
	}
	require.NoError(t, finish(page, posted))
	for range 3 {
		got, err := page.Verify(t.Context(), posted)
		require.NoError(t, err)
		require.Equal(t, "alice-1", got.Subject)
	}
	_, err = once.VerifyAssertion(t.Context(), posted)
	require.NoError(t, err)
	_, err = once.VerifyAssertion(t.Context(), posted)
	require.ErrorContains(t, err, "already been used")

	_, err = page.Verify(t.Context(), another)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.ErrorContains(t, err, "answered with another assertion")
	for _, again := range []string{posted, another} {
		err = finish(page, again)
		require.ErrorIs(t, err, auth.ErrBadCredentials)
		require.ErrorContains(t, err, "answered before")
	}
	_, err = provider(t, reusable, func(c *saml.Config) { c.Directory = nil }).Verify(t.Context(), posted)
	require.ErrorIs(t, err, auth.ErrBadCredentials, "who has no directory cannot know")
	_, err = provider(t, shared, reusable, func(c *saml.Config) { c.Now = func() time.Time { return epoch.Add(time.Hour) } }).Verify(t.Context(), posted)
	require.ErrorIs(t, err, auth.ErrTokenExpired)
}

// TestAnswerOnce: with a Provider that takes assertions once, Finish has used it up.
func TestAnswerOnce(t *testing.T) {
	t.Parallel()
	p := provider(t)
	pending, err := p.Begin(t.Context())
	require.NoError(t, err)
	posted := answerTo(t, pending.ID)
	_, err = p.Finish(t.Context(), pending, url.Values{"RelayState": {pending.RelayState}, "SAMLResponse": {posted}})
	require.NoError(t, err)
	_, err = p.Verify(t.Context(), posted)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}

// TestAnswersAreSwept: what is kept of answers does not grow.
func TestAnswersAreSwept(t *testing.T) {
	t.Parallel()
	dir, now := auth.NewMemory(), epoch
	p := provider(t, func(c *saml.Config) { c.Directory, c.Reusable, c.Now = dir, true, func() time.Time { return now } })
	for i := range 3 {
		now = epoch.Add(time.Duration(i) * 10 * time.Minute)
		pending, err := p.Begin(t.Context())
		require.NoError(t, err)
		posted := answerTo(t, pending.ID, func(a *crewjam.Assertion) {
			a.IssueInstant, a.Conditions.NotOnOrAfter = now, now.Add(time.Minute)
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.NotOnOrAfter = now.Add(time.Minute)
		})
		posted = encode(strings.Replace(decoded(t, posted), `IssueInstant="`+epoch.Format(time.RFC3339), `IssueInstant="`+now.Format(time.RFC3339), 1))
		_, err = p.Finish(t.Context(), pending, url.Values{"RelayState": {pending.RelayState}, "SAMLResponse": {posted}})
		require.NoError(t, err)
		records := 0
		for _, err := range dir.Scan(t.Context(), "", "") {
			require.NoError(t, err)
			records++
		}
		require.Equal(t, 1, records)
	}
}

// TestAnswerDirectoryFails: while the directory fails nobody is taken for a cheat.
func TestAnswerDirectoryFails(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]auth.Directory{"to write": deaf{auth.NewMemory()}, "to read": blind{auth.NewMemory()}} {
		p := provider(t, func(c *saml.Config) { c.Directory, c.Reusable = dir, true })
		pending, err := p.Begin(t.Context())
		require.NoError(t, err)
		posted := answerTo(t, pending.ID)
		_, err = p.Finish(t.Context(), pending, url.Values{"RelayState": {pending.RelayState}, "SAMLResponse": {posted}})
		if name == "to read" {
			require.NoError(t, err)
			_, err = p.Verify(t.Context(), posted)
		}
		require.ErrorIs(t, err, auth.ErrUnavailable, name)
		require.NotErrorIs(t, err, auth.ErrBadCredentials, name)
	}
}

// blind is a directory in which nothing can be looked up.
type blind struct{ auth.Directory }

func (blind) Get(context.Context, string) (auth.Record, error) {
	return auth.Record{}, errors.New("disk gone")
}
