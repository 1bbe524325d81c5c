package sigv4_test

import (
	"net/http"
	"testing"
	"time"
)

func BenchmarkHeader(b *testing.B) {
	a := verifier(b)
	r := request(b, http.MethodPost, "http://hub.test/things/pump-1?x=1", `{"attributes":{"site":"north"}}`)
	r.Header.Set("Content-Type", "application/json")
	if err := signer().Sign(r, []byte(`{"attributes":{"site":"north"}}`)); err != nil {
		b.Fatal(err)
	}
	c := received(b, r)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPresigned(b *testing.B) {
	a := verifier(b)
	c := upgrade(b, presign(b, gatewaySigner(), time.Minute))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnrecognised(b *testing.B) {
	a := verifier(b)
	c := received(b, request(b, http.MethodGet, "http://hub.test/mqtt?token=1234567890", ""))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), c); err == nil {
			b.Fatal("accepted")
		}
	}
}
