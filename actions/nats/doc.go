// Package nats publishes what rules make to NATS, with or without JetStream.
package nats
