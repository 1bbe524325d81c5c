// Package roles makes temporary credentials: an access key, its secret and a session
// token that end by themselves and stand for a role. Devices get them for a role alias
// with their certificate, apps for a login; whoever has them signs requests with
// Signature Version 4 as anybody with an access key does.
//
// Temporary credentials are kept nowhere. The session token holds who they are for,
// sealed with a key of the Directory's; the secret is derived from it. So any hub that
// shares the Directory can tell, and a million of them cost nothing. The keys are
// replaced every day and kept as long as a token sealed with them may live.
//
// A role is the name that policies are attached to: arn:aws:iam::ACCOUNT:role/NAME. A role
// alias needs nothing more of it. Where it is the caller who wants a role, with a login or
// another access key, there must be a [Role] with a trust policy that names them, and
// [Service.MayAssume] says whether they may take it.
package roles
