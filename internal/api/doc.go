// Package api is the hub over HTTP, in the REST shapes of AWS IoT: the data plane
// (publish, device shadows, retained messages, connections) and the control plane
// (things, types, groups, principals, tags, events, search). SDKs and command-line
// tools written for AWS work against it when their endpoint is set.
//
// Every operation is a row of a table: its name, which is also the action an
// Authorizer is asked about, its method and path, and a function. Who asks is found
// out by the hub's Authenticator, which sees the whole request; a hub without one
// refuses everybody.
package api
