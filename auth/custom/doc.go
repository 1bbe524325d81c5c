// Package custom lets the host decide who comes in with code of its own: custom
// authorizers, as AWS IoT has them.
//
// An authorizer is a record in an auth.Directory that names a function. The function
// gets what the client presented (a [Request]) and says who that is and which policies
// it has (a [Response]). Functions are given in [Config]: Go functions ([Func]), or web
// services ([Endpoint]) that get the JSON which AWS gives to a Lambda function.
//
// # Which authorizer
//
// A client names one with x-amz-customauthorizer-name: in the query of an MQTT user
// name, in a header of its HTTP or WebSocket request, or in the query of that; the first
// one found counts.
//
//	alice?x-amz-customauthorizer-name=corp&token=T&x-amz-customauthorizer-signature=S
//
// If there is no name, the default authorizer is asked if there is one, whatever was
// presented: in an auth.Chain this package comes behind everything that knows its
// credentials by their looks. Without either the credentials are auth.ErrUnrecognised,
// as they are if the default authorizer wants a signed token and none came.
//
// # Signed tokens
//
// Unless signing is disabled, the client presents a token and its signature, and the
// function is called only after the signature proved good: RSA PKCS #1 v1.5 with SHA-256
// over the token, by one of the authorizer's keys. So nobody who has no token can make
// the hub call the function. The signature is base64, percent encoded or not; a + that
// became a blank on the way is put back.
//
// # What becomes of the answer
//
// The client is the principal that the answer names, of kind auth.Custom: the policies
// of the answer and no others count. Its name is one among all principals of the hub, so
// a function that answers with the name of a user or the id of a certificate gives the
// client that one's sessions. The function is asked again after refreshAfterInSeconds
// while an MQTT connection lasts: then isAuthenticated false, another principal, or an
// authorizer that is gone or inactive end the connection; if the function fails, the
// policies stay and it is asked again later. After disconnectAfterInSeconds the
// connection ends. For HTTP the function is called for each request, unless
// the authorizer says that answers are kept: then one counts for refreshAfterInSeconds,
// or disconnectAfterInSeconds if that is less, for requests of the same connection that
// present the same.
package custom
