// Package sts lets somebody take a role: with an access key, with a token of a login
// provider, or with a SAML assertion. What they get are temporary credentials, as AWS's
// Security Token Service gives them.
//
// A role is taken by those whom its trust policy trusts; see the package auth/roles. For a
// token the policy can ask whom it was made for and whom it is about, under keys that begin
// with the name of the provider: accounts.google.com:aud, :sub, :amr, :oaud. It should: a
// provider makes tokens for everybody's applications, and without a condition on the
// audience any of them takes the role. [policy.Trust.Lint] warns of that, and the roles log
// it. For an access key the policy can ask for sts:ExternalId, which keeps somebody who
// serves many from being talked into using the role of another.
//
// A session policy narrows what the credentials may do; it never gives more than the role
// has.
//
// Tokens of identity pools become credentials of the identity, for which the rules of
// identities hold; see the package auth/identitypool. All others become credentials of a
// session of the role.
//
// Of AWS's service there are AssumeRole, AssumeRoleWithWebIdentity, AssumeRoleWithSAML and
// GetCallerIdentity. A request with a parameter that is not known here is refused, since it
// may be meant to narrow what it asks for: session tags, the source identity and codes of
// MFA devices are not supported.
package sts
