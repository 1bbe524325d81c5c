// Package redis writes what rules make to Redis, or a server that speaks its protocol, such
// as Valkey: streams, channels, keys, hashes, lists, and any other command in words.
package redis
