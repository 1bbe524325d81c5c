// Package oidc lets in who presents a token of an OpenID Connect issuer, or of anybody
// who signs JWTs, over github.com/coreos/go-oidc.
//
//	issuer, err := oidc.New(oidc.Config{Issuer: "https://login.example.com", Audiences: []string{"hub"}})
//	logins, err := oidc.Password(oidc.PasswordConfig{UserName: "oidc", Bearer: true, Verifiers: []auth.TokenVerifier{issuer}})
//	hub, err := thinghub.New(thinghub.Config{Logins: []auth.Authenticator{logins}})
//
// It is a module of its own, so that only those compile the library in who use it. Google,
// Apple, Amazon, Facebook and X are in package social beside it.
//
// # Proof
//
// A [Provider] proves tokens of one issuer; see [Provider.Verify] for what must be right.
// It is an auth.TokenVerifier, so identity pools take it too. What a token says decides
// nothing until its signature is proved: neither how it is signed (the list of algorithms
// is the host's), nor with what key (keys come from the issuer that the host has named),
// nor where to ask.
//
// Keys are given in the configuration, or the issuer is asked for them: it is discovered
// with the first token, and asked again after Config.RefreshAfter, and when a token is
// signed with a key that is not known. Forged tokens do not make it ask more than once in
// Config.Cooldown. While the issuer cannot be asked, old keys count up to Config.KeepFor;
// without any, the error is auth.ErrUnavailable, and it is asked at growing distances of
// a second to a minute.
//
// # Logins
//
// [Passwords] lets clients in who send a token as their password, under a user name that
// is for tokens only, or as a bearer token over HTTP and with the request that a WebSocket
// begins with. Everything else is left to the authenticators behind it in the chain: also
// clients with a certificate, or with a signed request, whatever user name they send. A
// token that is for it and not good is refused, and nobody else is asked.
//
// The token's subject is the principal. What it may do is what policies that are attached
// to the identity's ARN allow ("https://login.example.com#SUBJECT"), and those that
// PasswordConfig.Policies grants to all; PasswordConfig.Admit makes of it what the host
// likes, such as one of the hub's users. A connection ends when its token does, and the
// skew that clocks may have.
//
// Subjects share their names with the hub's users, and with subjects of other issuers,
// unless PasswordConfig.Prefix keeps them apart. A principal owns its MQTT sessions, so a
// host whose issuer lets people choose their subject sets it.
//
// # Signing in with a browser
//
// A [Flow] is the authorization code flow with PKCE, state and nonce, for hosts that have
// a web page: [Flow.Begin] makes the address to send the browser to, [Flow.Exchange]
// checks what it comes back with.
package oidc
