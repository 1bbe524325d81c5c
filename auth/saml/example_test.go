package saml_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/saml"
)

// A page of the host on which people sign in at their company's identity provider. What is
// pending lies in the browser's session, which stands here for whatever the host has.
func ExampleProvider_Handler() {
	corp, err := saml.New(saml.Config{
		MetadataURL: "https://idp.example.com/metadata", EntityID: "https://hub.example.com/saml",
		ACSURL: "https://hub.example.com/saml/acs", Directory: auth.NewMemory(),
	})
	if err != nil {
		log.Fatal(err)
	}
	pending := map[string]*saml.Pending{} // by the value of the browser's cookie
	take := func(r *http.Request) *saml.Pending {
		c, err := r.Cookie("session")
		if err != nil {
			return nil
		}
		defer delete(pending, c.Value)
		return pending[c.Value]
	}
	acs, err := corp.Handler(saml.HandlerConfig{
		Take: take,
		Done: func(w http.ResponseWriter, _ *http.Request, a *saml.Assertion) {
			_, _ = fmt.Fprintln(w, "hello", a.Subject)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/saml/acs", acs)
	mux.HandleFunc("GET /sign-in", func(w http.ResponseWriter, r *http.Request) {
		p, err := corp.Begin(r.Context())
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		session := rand.Text()
		pending[session] = p
		http.SetCookie(w, &http.Cookie{Name: "session", Value: session, Path: "/saml", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode})
		http.Redirect(w, r, p.URL, http.StatusFound)
	})
	r := httptest.NewRequest(http.MethodPost, "https://hub.example.com/saml/acs", http.NoBody)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r) // by somebody who is not signing in
	fmt.Println(w.Code)
	// Output:
	// 403
}

// Somebody brings what the identity provider has posted to exchange it for credentials: it
// counts once.
func ExampleProvider_Assert() {
	t := new(testing.T) // of the helpers that stand for the identity provider
	corp, err := saml.New(saml.Config{Metadata: metadata(t, idpKey), EntityID: hubName, ACSURL: acsURL, Directory: auth.NewMemory(), Now: clock})
	if err != nil {
		log.Fatal(err)
	}
	posted := encode(signed(t))
	a, err := corp.Assert(context.Background(), posted)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.Subject, a.SubjectType, a.Attributes["groups"])
	_, err = corp.Assert(context.Background(), posted)
	fmt.Println(errors.Is(err, auth.ErrBadCredentials))
	// Output:
	// alice-1 persistent [a b]
	// true
}
