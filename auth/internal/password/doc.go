// Package password keeps passwords for the packages below auth that know people by them:
// Argon2id hashes in the PHC string format, few of which are computed at a time, and a
// guard that makes guessing slow.
package password
