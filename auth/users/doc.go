// Package users knows people and devices by user name and password, in MQTT CONNECT or
// HTTP Basic.
//
// [New] returns a [Service]: the operations on users, kept in an auth.Directory, and the
// authenticator. Credentials without a name are auth.ErrUnrecognised, so that it stands
// in an auth.Chain behind authenticators that take certificates, signatures, or passwords
// that are tokens. A name without a password is a login that failed.
//
// # Passwords
//
// A password is kept as an Argon2id hash in the PHC string format, with a salt of its
// own:
//
//	$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH
//
// Hashes made elsewhere are taken as they are. When Config.Hash changes, the hash of a
// user is made anew at the next good login.
//
// A hash costs some 20 ms of a processor and 19 MiB by design, which is what somebody
// who floods the hub with logins is after. So only Config.Parallel of them are computed
// at a time and Config.Waiting logins wait for their turn, as long as their context
// lasts; others get auth.ErrUnavailable and try again. Who logs in again with the same
// password within Config.Remember, a minute by default, needs no new hash: a keyed
// digest of the password is kept in memory meanwhile. It counts only while the user is
// as it was then, so a new password or a disabled user takes effect at once.
//
// # Guessing
//
// Failures are counted per user and per address. After some in a row the next attempt on
// that user or from that address is refused for a while, which doubles with each further
// failure; see [Limits]. Where a user has logged in within a day, failures elsewhere do
// not count against it, so nobody shuts out others by guessing at their names. Unknown
// users cost the same time and count alike, so nobody learns which users there are. The
// counts are those of one process.
//
// # Names
//
// A name has 1 to 128 ASCII letters, digits and _+=,.@- and is not 64 hexadecimal digits,
// which are the principal of a certificate. What follows a question mark in an MQTT user
// name is not part of it: device SDKs append "?SDK=...&Version=..." there.
//
// The user NAME is the principal NAME of kind auth.User; policies and things are
// attached to arn:aws:iot:REGION:ACCOUNT:user/NAME, which is an ARN of this hub's own,
// since AWS IoT has no users.
package users
