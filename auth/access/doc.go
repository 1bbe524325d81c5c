// Package access keeps policies and decides by them who may do what: the IoT policies
// that are attached to certificates, users, identities and thing groups, and the IAM
// policies of those who sign with an access key. [Service] is the hub's
// [auth.Authorizer].
//
// # What counts
//
// For a certificate, a user of the hub and a principal of the host's: the policies
// attached to it, and those attached to the groups of its thing, with the parents of the
// groups. A client is a thing if its client id is the thing's name and its principal is
// attached to the thing. Who comes over HTTP has no client id, and is no thing. For who
// signs with an access key: what is attached to the user or role, to the groups of the user
// (AddUserToGroup), and what its credentials carry.
// For a custom authorizer: the documents of its answer alone. An authenticated identity
// of a pool needs its role's policies and also one of its own, a guest the role's alone.
//
// Certificates, users and custom authorizers are for devices: they never reach the
// control plane, whatever their policies say.
//
// # When it counts
//
// At once. A connection is bound to the compiled policies when it opens; each change of a
// policy, an attachment or a thing reaches the connections it is about before the call
// that made it returns. Only if the directory cannot be read is everything denied to who
// asks, until it can. A change never ends a connection, it decides what comes next.
//
// # Traps, and what nobody needs
//
// Who makes a policy is warned of what it probably does otherwise than meant, by the log
// and by [Policy.Warnings]. [Service.StartCoverage] has it noted, on a running hub, which
// statements apply, and [Service.Coverage] lists those that never did.
//
// # Client ids
//
// A variable in a policy stands for its value as text: a client id of "*" is no wildcard.
// One of "+" or "#" is a wildcard in a filter, though: topicfilter/${iot:ClientId}/in lets
// the client "+" subscribe to "+/in", as in AWS IoT. What it may receive is decided by
// topic/..., where + is a plain character, so nothing of others is delivered if Receive is
// granted with the same variable. Config.RefuseUnsafeClientIDs refuses such clients, and
// so does a policy that lets clients connect only under the name of their thing.
package access
