// Package hosted serves the pages of a user pool on which people sign in, and the OAuth 2.0
// and OpenID Connect endpoints for apps that send them there: the hosted sign-in of Amazon
// Cognito, with its paths, over github.com/zitadel/oidc.
//
//	hub, err := thinghub.New(thinghub.Config{UserPoolConfig: userpool.Config{
//		Issuer: "https://hub.example.com", // where apps reach Hub.Identity: the default is an address of AWS
//		Hosted: map[string]string{"local_People1": "https://hub.example.com/people"},
//		Pools:  pools, // has local_People1 and its clients
//	}})
//	pages, err := hosted.New(hosted.Config{Pools: hub.UserPools(), Pool: "local_People1"})
//	mux.Handle("/people/", http.StripPrefix("/people", pages))
//	mux.Handle("/", hub.Handler()) // or hub.Identity()
//
// It is a module of its own, so that only those compile the library in who use it. Any
// number of hubs may serve the pages of a pool over one Directory; each pool has a Handler
// of its own. The pool's discovery document, which Hub.Identity serves, names the
// endpoints, so a client library needs the issuer alone.
//
// # Apps
//
// An app is a client of the pool with AllowedOAuthFlowsUserPoolClient, the flow "code",
// and CallbackURLs. It sends a browser to /oauth2/authorize and gets a code, for which
// /oauth2/token gives the pool's own tokens: signed with its keys, with its claims and
// groups, refreshed and revoked like those of InitiateAuth, and seen by its hooks
// (TokenGeneration_HostedAuth). So an ID token of this kind is a login for identity pools
// and for the hub as any other.
//
// Apps without a secret must use PKCE; those with one may, and prove themselves by HTTP
// Basic or in the body. The method is S256; plain is refused. A redirect_uri is compared as
// it stands. scope is among the client's AllowedOAuthScopes, all of them by default; openid
// gives an ID token, which with email, phone or profile has no more than these say, and
// alone everything. state and nonce come back. prompt may be none, login, select_account
// (which is login) or consent (which nobody is asked for: apps are the host's), max_age and
// login_hint are heeded. Answers name the issuer (iss, RFC 9207).
//
// A code is good for five minutes and once. The second time, with all that belongs to it,
// ends the sign-in that the first one led to, as somebody has a copy. Who has the code
// alone can do neither.
//
// /oauth2/revoke ends the sign-in of a refresh token, with its ID and access tokens;
// /oauth2/userInfo wants an access token with the scope openid. /logout ends the session,
// and sends the browser to the logout_uri, or post_logout_redirect_uri, if that is one of
// the client's LogoutURLs.
//
// # People
//
// Pages need no scripts. People sign in with name and password; set a new password, enter
// the code of a software token or set one up where the pool asks for it; make an account
// and confirm it, unless the pool leaves that to administrators; and set a password that
// they forgot. All of it is userpool's work, with its hooks, messages and limits: guesses
// at a page are guesses like others. userpool.Config.Audit is told of all that people and
// apps do, as CloudTrail calls it (Login_POST, Authorize_GET, Token_POST, ...).
// Config.Templates replace pages, see [Page].
//
// Who has signed in need not do so again for another app while the session lives
// (Config.SessionLife). The session is a sealed cookie, which ends with sign-out also where
// a copy of it is, and when the user signs out everywhere, gets another password, or is
// disabled or deleted. What is not finished is kept nowhere: steps of sign-ins, sessions
// and codes are sealed with the pool's keys and come back from the browser, so abandoned
// ones fill nothing up. The Directory gets a record when a code is redeemed, and one when
// somebody signs out; userpool.Service.Run deletes both in time.
//
// Each page checks the app's request anew. Forms count from these pages only, in the
// browser that they were shown to; a sign-in replaces all cookies. With an https URL these
// are __Host- cookies: HttpOnly, Secure, SameSite=Lax. Pages load nothing, run nothing, and
// are not shown in frames. What is wrong with a request is told the app only if its
// redirect_uri is in order; else it is told on the page.
//
// # The library
//
// Candidates were those that the module proxy has, and they were measured by what a
// program compiles in that uses them (November 2026):
//
//   - github.com/ory/fosite v0.49.0: strategies could issue the pool's tokens. 54 modules
//     are compiled in (465 in the graph, gRPC and database layers among them); the last
//     release was in December 2024.
//   - github.com/go-oauth2/oauth2/v4 v4.5.4: 3 modules. Generators could issue the tokens,
//     but it refreshes without proving the client, sends browsers to addresses before they
//     are checked, compares secrets with ==, has no revocation, and keeps tokens in a store
//     of its own. Last release in August 2025.
//   - github.com/zitadel/oidc/v3 v3.52.0: 18 modules (41 in the graph), a release each few
//     weeks, the latest in November 2026. Its provider issues its own tokens only. What it
//     has below that, however, is exported: requests and their parsing, client credentials,
//     the checks of redirect URIs, response types, prompts and PKCE, the URLs of answers,
//     and the errors. This package is over these, whose API is stable, and not over its
//     handlers and its interface Server, which is marked as experimental, writes to
//     slog.Default for whoever asks, and takes secrets from URLs.
//
// What is stricter here than in the library: S256 only, PKCE for all apps without a secret,
// parameters once, scopes that are refused rather than left aside, secrets compared in
// constant time and never taken from a URL.
//
// # What is not offered
//
// The implicit flow and client credentials, custom scopes of resource servers, request
// objects, sign-in with other providers, CUSTOM_AUTH, and Cognito's branding. userInfo has
// booleans for email_verified and phone_number_verified, as OpenID Connect wants, where
// Cognito has texts.
package hosted
