package hosted_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/hosted"
	"github.com/thinghub/thinghub/auth/userpool"
)

// A host has the pages beside the hub's logins. Apps find them by the issuer.
func Example() {
	const pool, site = "local_People1", "https://hub.example.com"
	settings := userpool.ClientSettings{
		ClientName: "Greenhouse", CallbackURLs: []string{"https://greenhouse.example.com/back"},
		AllowedOAuthFlowsUserPoolClient: true, AllowedOAuthFlows: []string{"code"}, AllowedOAuthScopes: []string{"openid", "email"},
	}
	hub, err := thinghub.New(thinghub.Config{UserPoolConfig: userpool.Config{
		Issuer: site, Hosted: map[string]string{pool: site + "/people"},
		Pools: []userpool.Definition{{ID: pool, Pool: userpool.CreateUserPoolInput{PoolName: "people"}, Clients: []userpool.ClientDefinition{
			{ID: "greenhouse", Client: userpool.CreateUserPoolClientInput{ClientSettings: settings}},
		}}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	pages, err := hosted.New(hosted.Config{Pools: hub.UserPools(), Pool: pool})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/people/", http.StripPrefix("/people", pages))
	mux.Handle("/", hub.Identity())

	get := func(address string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, address, nil))
		return w
	}
	var about struct {
		Authorize string `json:"authorization_endpoint"`
	}
	if err := json.Unmarshal(get(site+"/"+pool+"/.well-known/openid-configuration").Body.Bytes(), &about); err != nil {
		log.Fatal(err)
	}
	fmt.Println(about.Authorize)
	// What the app sends a browser to, with the challenge of a secret of its own.
	app := url.Values{
		"client_id": {"greenhouse"}, "response_type": {"code"}, "redirect_uri": settings.CallbackURLs, "state": {"a secret of the app's"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	login := get(about.Authorize + "?" + app.Encode()).Header().Get("Location")
	where, _, _ := strings.Cut(login, "?")
	fmt.Println(where)
	fmt.Println(strings.Contains(get(login).Body.String(), "<title>Sign in - Greenhouse</title>"))
	// Output:
	// https://hub.example.com/people/oauth2/authorize
	// https://hub.example.com/people/login
	// true
}
