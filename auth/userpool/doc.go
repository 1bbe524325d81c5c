// Package userpool keeps people who sign in to apps: they sign up, confirm an address
// with a code, sign in with a password and maybe a software token, and get tokens that
// say who they are. It offers the operations of Amazon Cognito user pools, as Go methods
// and over HTTP for the SDKs, so apps that know those work with a hub.
//
// [New] returns a [Service] that keeps any number of pools in an auth.Directory. Its
// methods are the operations, by the names and with the fields of the AWS model;
// [Service.Handler] serves the same to HTTP clients, with the keys of each pool.
// [Service.Pool] proves ID tokens: it is the auth.TokenVerifier of a pool, for identity
// pools and for the host. [Service.Run] deletes what has expired.
//
// # Passwords and SRP
//
// A password is kept as an Argon2id hash. For USER_SRP_AUTH, where the password does not
// leave the client, a verifier is kept besides it: g^x, where x is two SHA-256 of the
// password. SRP needs it, and who has a copy of the Directory can test guesses against it
// at the cost of one exponentiation, some milliseconds, without the memory that Argon2id
// asks for. So with SRP the hashes alone do not protect weak passwords in a stolen copy.
// Config.NoSRP keeps no verifiers, and drops those that are there as their users sign in
// with a password; clients then need USER_PASSWORD_AUTH. A user whose password was made
// while NoSRP was set gets a verifier at its next sign-in with a password.
//
// Hashes and SRP computations cost time on purpose; only Config.Parallel are made at a
// time and Config.Waiting sign-ins wait, as in package users.
//
// # Guessing
//
// Who signs in learns nothing about who is known: unknown users get the same answers, a
// salt for SRP that stays the same, the same lock-outs, and cost the same work, to the
// writes in the Directory. That is so for sign-in, for codes, and for forgotten passwords,
// of which it is not told either that a message could not be sent; SignUp alone has to say
// that a name is taken. USER_ID_FOR_SRP is the sub of a user, by whatever it was called:
// its name would tell. A status is told with the right password only. A client whose
// PreventUserExistenceErrors is LEGACY tells. What this cannot even out is the time of a
// [Sender] that waits, and of hooks: they should not.
//
// Failures count for a user under all its names, and for an address; see [Limits]. So do
// wrong codes. Codes have six digits, five tries, and CodesPerHour of each. Counts are those
// of one process, except for the tries of a code. A challenge of CUSTOM_AUTH takes one
// answer, at whichever hub, so hooks may count the answers in DefineEvent.Session.
//
// # Tokens
//
// ID and access tokens are JWTs signed with RS256, with keys of 2048 bits that are kept in
// the Directory and replaced after Config.KeyLife; the next key is published a day before
// it signs. Refresh tokens are opaque. Each belongs to a sign-in (origin_jti), which is
// kept until its refresh token expires. [Pool.Verify] looks it up, so that RevokeToken,
// GlobalSignOut, a disabled or deleted user, and a password that was reset take effect at
// once. Others who know only the keys, as any OpenID Connect library does, learn of these
// when the token expires. Credentials that an identity pool has given for a token are good
// for their hour all the same; what ends them is to disable or delete the identity.
//
// Where a client rotates refresh tokens, one that is used again after the grace period
// ends its sign-in with all its tokens: somebody has a copy.
//
// # Events
//
// Config.Audit is told of sign-ins and of what is asked for over HTTP, with the reason of a
// refusal: that there is no such user, that the password is wrong. Users and administrators
// are named by sub and ARN. Passwords, codes, tokens and sessions are in no event, no log
// and no error; the name that somebody gave is, whatever it is that they typed there.
//
// # What is not offered
//
// Codes as a second factor by SMS and e-mail, remembered devices, passkeys, federation,
// import jobs, and the flow USER_AUTH; pages to sign in at, with OAuth 2.0 endpoints, are package auth/hosted,
// a module of its own, over [Pages]. LambdaConfig and other settings of those are left aside;
// [Hooks] take the place of triggers. EstimatedNumberOfUsers is not told.
package userpool
