// Package api is the hub over HTTP, in the REST shapes of AWS IoT: the data plane
// (publish, device shadows, retained messages, connections) and the control plane
// (things, types, groups, principals, tags, events, search, fleet metrics, rules,
// policies, certificates, role aliases). SDKs and command-line tools written for AWS work
// against it when their endpoint is set. Devices get temporary credentials for their
// certificates there too, at the path of the credential provider.
//
// Every operation is a row of a table: its name, which is also the action an
// Authorizer is asked about, its method and path, the types of errors it has in the AWS
// model, and a function. Who asks is found out by the hub's Authenticator, which sees
// the whole request; a hub without one refuses everybody.
package api
