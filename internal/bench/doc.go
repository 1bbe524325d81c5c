// Package bench holds what is needed to compare the hub with other brokers. It
// is a module of its own, so that no peer ever enters the core's module graph.
//
// The peers are built from here and run as processes of their own:
//
//	go build -o mochi ./cmd/mochi
//	go build -o nats-server github.com/nats-io/nats-server/v2
//
// nats-server is a tool dependency of this module: its version is pinned in
// go.mod although no package here imports it.
package bench
