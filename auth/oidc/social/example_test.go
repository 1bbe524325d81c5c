package social_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
	"github.com/thinghub/thinghub/auth/oidc/social"
)

// A stand-in answers here for Facebook, which says that the token was made for another app:
// whoever runs that app could be in front of us.
func ExampleFacebook() {
	facebook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"data": {"app_id": "666", "type": "USER", "is_valid": true, "user_id": "1207059", "expires_at": 4102444800}}`)
	}))
	defer facebook.Close()
	v, err := social.NewFacebook(social.FacebookConfig{AppID: "138483919580948", AppSecret: "secret", BaseURL: facebook.URL})
	if err != nil {
		log.Fatal(err)
	}
	_, err = v.Verify(context.Background(), "EAAG...")
	fmt.Println(errors.Is(err, auth.ErrBadCredentials))
	fmt.Println(err)
	// Output:
	// true
	// auth: bad credentials: social: the token is for the app "666", expected "138483919580948"
}

// Google and X side by side: people come in with whatever their flow has given them.
func ExampleX() {
	google, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{"1234.apps.googleusercontent.com"}})
	if err != nil {
		log.Fatal(err)
	}
	x, err := social.NewX(social.XConfig{ClientID: "app", ClientSecret: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	logins, err := oidc.Password(oidc.PasswordConfig{UserName: "social", Bearer: true, Verifiers: []auth.TokenVerifier{google, x}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = logins.Authenticate(context.Background(), &auth.Credentials{Username: "social", HasUsername: true, Password: []byte("a bare token of X")})
	fmt.Println(err)
	// Output:
	// auth: bad credentials: oidc: the token is of no issuer that is known here
}
