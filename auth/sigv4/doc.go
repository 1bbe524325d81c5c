// Package sigv4 knows people by their access keys: it verifies requests that are signed
// with AWS Signature Version 4, as the AWS SDKs, the AWS command line and browser
// programs with temporary credentials do.
//
// [New] returns an authenticator for both forms of a signature: the Authorization
// header, and the parameters in the query of a presigned URL. It serves calls of the
// HTTP planes and MQTT over WebSocket, where the signature is in the request of the
// upgrade. Requests without a signature are auth.ErrUnrecognised, so that it stands in
// an auth.Chain before other ways of logging in.
//
// Who holds a key is told by [Keys]. [Keyring] keeps long-lived keys in an
// auth.Directory; whoever hands out temporary credentials implements Keys and gets the
// session token that was presented.
//
// # What is checked
//
// The time: a request is at most Config.Skew old, a presigned URL as old as it says
// itself, up to Config.MaxExpiry. The scope: service and region. The headers: host, all
// X-Amz- headers of the request, and those that say whom it is about (X-Amzn-Principal,
// X-Amzn-Iot-...) must be among the signed ones. The body: it must have the hash that was
// signed. There is no memory of signatures: whoever can read a
// signed request can send it again while it is valid, so HTTP belongs into TLS.
//
// AWS's own clients disagree about some details; where two readings mean the same
// request both are accepted: paths with // or dot segments as they are or tidied up, a
// Host header with or without the port of its scheme, a session token in a presigned
// URL that is part of what was signed, or was appended afterwards (as clients of the
// IoT gateway do). Everything that could be read in two ways with two meanings is
// refused: parameters that are there twice, broken percent encoding, two signatures.
//
// Signature Version 4A (AWS4-ECDSA-P256-SHA256) and bodies signed in chunks are refused.
//
// [Signer] makes signatures of both forms.
package sigv4
