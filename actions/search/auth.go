package search

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/thinghub/thinghub/actions"
)

// Auth proves to a cluster who the hub is. It is made by [Basic], [APIKey], [Bearer] or
// [Sign]; the zero Auth proves nothing. It does not print its secrets.
type Auth struct {
	set func(ctx context.Context, r *http.Request, body []byte, role string) error
	put bool // requests are PUT
}

// String says whether there is one.
func (a Auth) String() string {
	if a.set == nil {
		return "none"
	}
	return "set"
}

// GoString is String.
func (a Auth) GoString() string { return a.String() }

func header(value string) Auth {
	return Auth{set: func(_ context.Context, r *http.Request, _ []byte, _ string) error {
		r.Header.Set("Authorization", value)
		return nil
	}}
}

// Basic is a user and a password.
func Basic(user, password string) Auth {
	return header("Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// APIKey is an API key of Elasticsearch in the form that it is given out in: the base64 of
// id and key. A key of the form id:key is encoded.
func APIKey(key string) Auth {
	if strings.Contains(key, ":") {
		key = base64.StdEncoding.EncodeToString([]byte(key))
	}
	return header("ApiKey " + key)
}

// Bearer asks for a token before each request, which may change. It is called concurrently.
func Bearer(token func(ctx context.Context) (string, error)) Auth {
	return Auth{set: func(ctx context.Context, r *http.Request, _ []byte, _ string) error {
		t, err := token(ctx)
		if err == nil && (t == "" || strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r >= 0x7f })) {
			err = errors.New("it is no text without spaces")
		}
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+t)
		return nil
	}}
}

// Sign signs requests with Signature Version 4, in the name of the rule's roleArn.
// service is "es", which is the default, or "aoss" for the serverless one. The requests are
// PUT then, so that es:ESHttpPut, which AWS asks of roles for these actions, suffices.
func Sign(signer actions.Signer, region, service string) Auth {
	if service == "" {
		service = "es"
	}
	return Auth{put: true, set: func(ctx context.Context, r *http.Request, body []byte, role string) error {
		return signer.Sign(ctx, r, body, actions.SigV4{SigningRegion: region, ServiceName: service, RoleARN: role})
	}}
}
