package oidc_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

// A backend makes tokens for the devices that it knows, and the hub has its public key.
func Example() {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	backend, err := oidc.New(oidc.Config{
		Issuer: "https://backend.example.com", Audiences: []string{"hub"},
		Keys: []oidc.Key{{ID: "2026", PEM: publicPEM(public)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	logins, err := oidc.Password(oidc.PasswordConfig{
		UserName: "jwt", Verifiers: []auth.TokenVerifier{backend}, Prefix: "backend/",
		Policies: []auth.Document{{Name: "devices", Text: `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}`}},
	})
	if err != nil {
		log.Fatal(err)
	}
	hub, err := thinghub.New(thinghub.Config{Logins: []auth.Authenticator{logins}})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()

	// What the backend gives a device, which sends it as its password, user name "jwt".
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{KeyID: "2026", Key: private}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	signed, err := signer.Sign(fmt.Appendf(nil, `{"iss": "https://backend.example.com", "aud": "hub", "sub": "pump-1", "exp": %d}`, time.Now().Add(time.Hour).Unix()))
	if err != nil {
		log.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		log.Fatal(err)
	}
	id, err := logins.Authenticate(context.Background(), &auth.Credentials{Username: "jwt", HasUsername: true, Password: []byte(token)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(id.Principal, id.ARN)
	_, err = logins.Authenticate(context.Background(), &auth.Credentials{Username: "jwt", HasUsername: true, Password: []byte(token + "x")})
	fmt.Println(errors.Is(err, auth.ErrBadCredentials))
	// Output:
	// backend/pump-1 https://backend.example.com#pump-1
	// true
}

// A page of the host on which people sign in at an issuer. What is pending lies in the
// browser's session, which stands here for whatever the host has.
func ExampleFlow() {
	issuer, err := oidc.New(oidc.Config{Issuer: "https://login.example.com", Audiences: []string{"hub"}})
	if err != nil {
		log.Fatal(err)
	}
	flow, err := oidc.NewFlow(oidc.FlowConfig{
		Provider: issuer, ClientID: "hub", RedirectURL: "https://hub.example.com/signed-in",
		Secret: func(context.Context) (string, error) { return "the secret that the issuer gave us", nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	sessions := struct {
		put  func(w http.ResponseWriter, p *oidc.Pending)
		take func(r *http.Request) *oidc.Pending // nil if there is none; there is none the next time
	}{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sign-in", func(w http.ResponseWriter, r *http.Request) {
		p, err := flow.Begin(r.Context())
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		sessions.put(w, p)
		http.Redirect(w, r, p.URL, http.StatusFound)
	})
	mux.HandleFunc("GET /signed-in", func(w http.ResponseWriter, r *http.Request) {
		in, err := flow.Exchange(r.Context(), sessions.take(r), r.URL.Query())
		if err != nil {
			http.Error(w, "nobody has signed in", http.StatusForbidden)
			return
		}
		_, _ = fmt.Fprintln(w, "hello", in.Token.Subject) // whose ID token is a password for the hub
	})
}
