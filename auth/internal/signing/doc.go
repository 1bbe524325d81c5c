// Package signing makes and knows the tokens that a room below auth signs itself: JSON Web
// Tokens with RS256 and a key of the directory's, which is replaced from time to time.
// Everybody can check them with the public keys that [Ring.Handler] serves.
package signing
