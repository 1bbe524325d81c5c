// Package auth answers two questions about everybody who talks to a hub: who is
// it ([Authenticator]), and may it ([Authorizer])?
//
// An Authenticator turns [Credentials] (what a CONNECT packet or an HTTP request
// brought along) into an [Identity]. An Authorizer decides single [Request]s of
// that identity: connect as this client id, publish to that topic, subscribe to
// that filter, receive this message. The two are separate seams, so a host can
// keep its own user table and our policies, or the other way round.
//
// A hub has both: its rooms below this package know certificates (auth/certs), signed
// requests (auth/sigv4), users (auth/users), whom the host's code knows (auth/custom),
// and what they may do (auth/access, by policies). They keep what they know in a
// [Directory], in which there is nobody at first. A hub without configuration is
// therefore closed, not open. [InsecureAllowAll] opens the door for tests and for
// machines nobody else can reach; its name is meant to be seen in a code review. [Chain]
// joins authenticators. Tokens of login providers are proved by [TokenVerifier]s: auth/oidc,
// auth/oidc/social and auth/saml, modules of their own, have some.
//
// # The data path
//
// Publish and receive are decided for every message. An Authorizer that also
// implements [Opener] is asked once per connection for a [Session], whose Allow
// takes no context and must not wait or allocate; the hub calls it directly on
// the message path. An Authorizer without Opener is called through Authorize for
// every decision; it may wait, and then only the connection that asked waits with
// it, at the price of a goroutine per connection.
//
// # Exchanges of several steps
//
// MQTT 5 lets client and server exchange any number of AUTH packets before the
// connection is accepted (SCRAM, Kerberos, challenge and response). An
// Authenticator that implements [Exchanger] takes part in it; see
// [MQTT-4.12.0-1] and following.
package auth
