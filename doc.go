// Package thinghub is an IoT hub that lives inside a Go program: what a cloud
// account gives with AWS IoT Core, from one import and without a server beside
// yours.
//
//	hub, err := thinghub.New(thinghub.Config{})
//	ln, err := net.Listen("tcp", ":1883")
//	go hub.Serve(ln)
//	defer hub.Close()
//
// A hub without configuration lets in whom it knows, which is nobody: [Hub.Provision] a
// device, or open the door on purpose with [auth.InsecureAllowAll]. In tests, package
// hubtest gives you an open hub, connected clients and recorders in one line each.
//
// # Device gateway
//
// Devices connect with MQTT 3.1.1 or 5: over TCP and TLS through [Hub.Serve], over
// WebSocket through [Hub.WebSocket] or [Hub.Handler] on your own http.Server, and
// without any port through [Hub.Dial]. Package broker documents what the gateway
// does with sessions, queues and limits.
//
// [Hub.ConfigureServer] puts MQTT and HTTP on one TLS port.
//
// # Identity and policies
//
// [Hub.Certificates] makes, registers, rotates and revokes client certificates,
// [Hub.Provisioning] lets devices register themselves, [Hub.AccessKeys] and [Hub.Roles]
// are for those who sign requests, [Hub.Users] for those with a password, and
// [Hub.Authorizers] for whom only the host knows. [Hub.Policies] says what they may do.
// [Hub.UserPools], [Hub.IdentityPools] and [Hub.STS] are for people and apps: logins
// exchanged for temporary credentials, over HTTP at [Hub.Identity]. All is kept in
// Config.Directory, and each change acts on open connections at once.
// Package auth has the seams for a host that decides itself.
//
// # Things and their shadows
//
// [Hub.Registry] keeps things, their types and groups, and searches them.
// [Hub.Shadows] keeps what is wanted of each thing and what it is; [shadow.Of] makes a
// Go type of it, and [shadow.Service.Watch] a loop over what changes. Devices reach
// their shadows on $aws/things/{thing}/shadow/..., and who came and went is published on
// $aws/events/....
//
// [Hub.DataPlane] and [Hub.ControlPlane] have the REST shapes of AWS IoT, so that SDKs
// and command-line tools made for it work when their endpoint is set; [Hub.Handler] is
// all of it, and [Hub.Before] puts that before a host's own http.ServeMux. Who asks is
// for the Authenticator to find out, what they may do for the Authorizer: the same two
// as over MQTT.
//
// # Rules
//
// [Hub.Rules] keeps rules: a statement in the SQL of AWS IoT says which messages count
// and what is made of them, and actions what happens then. Every message that the hub
// takes in or makes is offered to them once its subscribers have it; what a client
// publishes on $aws/rules/{rule}/... goes to that rule alone. Package rules documents
// queues, retries and traces, package rules/sql the language, and package actions how to
// write an action.
//
// # The host takes part
//
// [Hub.Publish] and [Hub.Subscribe] are the host's own way in and out; no network
// is involved. [Hub.Clients], [Hub.Disconnect] and [Hub.Metrics] show and steer what
// is connected, and the hooks in [Config] tell of every connect, subscription,
// message and drop. Config.Audit is told of logins, of what administrators do, and of
// everything that is refused, with the statement that decided; [Hub.AuthCounts] counts it.
//
// # Life cycle
//
// New starts the hub's background work; [Hub.Shutdown] ends it in good order and
// [Hub.Close] at once. Afterwards no goroutine of the hub is left. Several hubs in
// one process do not know each other.
package thinghub
