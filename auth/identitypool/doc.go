// Package identitypool gives temporary credentials to people and apps that have signed in
// somewhere else: at a user pool, at an OpenID Connect issuer, at a social network, with
// SAML, or at the host's own backend. It does what Amazon Cognito calls identity pools.
//
// # The way of a login
//
// An app presents a token of a login provider to [Service.GetID] and gets the id of an
// identity: the same one whenever the same person comes back. With that id and the token
// [Service.GetCredentialsForIdentity] returns an access key, a secret and a session token
// for an hour, with which the app signs requests and connects. What it may do is what the
// role allows that the pool has for it, and, for MQTT and shadows, also an IoT policy that
// the host has attached to the identity; see the packages auth/roles and auth/access.
//
// Where a pool allows it, an app without a login gets an identity too, a guest, with a role
// of its own. When a guest signs in, the identity stays the same and is a guest's no more.
//
// # Whose identity it is
//
// An identity belongs to who can prove one of its logins. Several logins that are presented
// together are linked: each of them leads to the identity afterwards. Logins that lead to
// two identities are refused, and nobody gets at an identity with a login that is not
// linked to it, except for a guest's, of which the id is all the proof there is. So ids of
// guests are secrets. An identity that has lost its last login is nobody's any more.
//
// Tokens are proved by a verifier for each provider, see Config.Providers, and must have
// been made for the applications that the pool names.
//
// # The role
//
// A pool has a role for those who have signed in and one for guests. For a login provider
// it may have a mapping: rules about claims, or the provider's own word (the claims
// cognito:roles and cognito:preferred_role). Whatever was chosen, the role's trust policy
// must trust identity pools, and should name the pool; see [policy.Trust.Lint].
//
// # The basic flow
//
// [Service.GetOpenIDToken] returns a token of the pool's own instead of credentials, which
// is for AssumeRoleWithWebIdentity; see the package auth/sts. A pool has to allow it.
// Backends of the host that know their users themselves ask for such a token with
// [Service.GetOpenIDTokenForDeveloperIdentity], and their apps use it as a login.
//
// # What ends it
//
// An identity that is disabled or deleted gets nothing any more, its credentials are not
// accepted by [Service.Keys], and Config.Changed tells the host to end its connections.
// Other credentials end by themselves, after an hour at the latest.
package identitypool
