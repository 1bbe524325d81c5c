package sigv4_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
)

// A keyring in the hub's directory, and an authenticator that asks it.
func Example() {
	ctx := context.Background()
	keyring, err := sigv4.NewKeyring(sigv4.KeyringConfig{
		Directory: auth.NewMemory(), Scope: sigv4.Scope{Account: "123456789012"},
	})
	if err != nil {
		log.Fatal(err)
	}
	authenticator, err := sigv4.New(sigv4.Config{Keys: keyring})
	if err != nil {
		log.Fatal(err)
	}
	key, secret, err := keyring.Create(ctx, "alice") // the secret is shown here only
	if err != nil {
		log.Fatal(err)
	}

	// What an SDK does with the key.
	r, err := http.NewRequest(http.MethodGet, "https://hub.example/things", nil)
	if err != nil {
		log.Fatal(err)
	}
	sdk := sigv4.Signer{ID: key.ID, Secret: secret, Region: "eu-central-1", Service: "iot"}
	if err := sdk.Sign(r, nil); err != nil {
		log.Fatal(err)
	}

	// What the hub does with the request.
	id, err := authenticator.Authenticate(ctx, &auth.Credentials{Request: r})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(id.Kind, id.Principal)
	// Output: iam arn:aws:iam::123456789012:user/alice
}

// A browser cannot set headers on a WebSocket, so the signature goes into its URL.
func ExampleSigner_Presign() {
	s := sigv4.Signer{
		ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Token: "session token",
		Region: "eu-central-1", Service: "iotdevicegateway",
		Now: func() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) },
	}
	text, err := s.Presign(http.MethodGet, "wss://hub.example/mqtt", time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	u, err := url.Parse(text)
	if err != nil {
		log.Fatal(err)
	}
	q := u.Query()
	fmt.Println(u.Scheme, u.Host, u.Path)
	fmt.Println(q.Get("X-Amz-Credential"), q.Get("X-Amz-Date"), q.Get("X-Amz-Expires"))
	fmt.Println(len(q.Get("X-Amz-Signature")), q.Get("X-Amz-Security-Token"))
	// Output:
	// wss hub.example /mqtt
	// AKIDEXAMPLE/20260102/eu-central-1/iotdevicegateway/aws4_request 20260102T150405Z 3600
	// 64 session token
}
