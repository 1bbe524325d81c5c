// Package social proves logins with Google, Apple, Amazon, Facebook and X. Each is an
// auth.TokenVerifier, for identity pools and for oidc.Password, and makes the flow in which
// people sign in with a browser.
//
//	google, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{"1234.apps.googleusercontent.com"}})
//	token, err := google.Verify(ctx, idToken)
//
// What is proved, and how, is the provider's affair:
//
//   - Google and Apple give out ID tokens of OpenID Connect. Their keys prove them, and
//     their audience is one of our clients. Nobody is asked for each login.
//   - Amazon gives out access tokens. Amazon is asked for which client a token was made,
//     which must be one of ours, and then for the profile.
//   - Facebook gives out access tokens. Facebook is asked, with our secret, for which app
//     a token was made, which must be ours.
//   - X gives out access tokens and does not say for which app. So a token that comes from
//     nowhere proves nothing: some other app may have got it, and the person in front of
//     us may be that app. [X] takes only tokens that its own flow has got from X and
//     sealed. OAuth 1.0a (a token and its secret, with ";" between them) is not supported.
//
// The subject is the provider's id of the person, never the e-mail address, which may pass
// to somebody else. Ids of Apple, Facebook and Amazon may differ from app to app.
//
// # Errors
//
// They are as of auth.TokenVerifier: a token of another app, or one that the provider does
// not know, wraps auth.ErrBadCredentials; what is over wraps auth.ErrTokenExpired; and
// while the provider does not answer, answers too slowly (Timeout) or too often (429), or
// does not accept our own secret, the error wraps auth.ErrUnavailable. Errors hold neither
// tokens nor secrets.
//
// # Other addresses
//
// Each configuration has the addresses of its provider, for tests and for proxies. They
// must be https://, or on this machine.
package social
