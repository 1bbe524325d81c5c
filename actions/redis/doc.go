// Package redis writes what rules make to Redis, or to a server that speaks its protocol:
// entries of streams, messages of channels, keys, hashes, lists, and any other command in
// words. The server is one, or a master that sentinels name, or a cluster.
//
// A host opens a client for each, which need not be there yet, and gives rules written as
// JSON the means to name it:
//
//	db, err := redis.Open(redis.Config{
//		Sink:    actions.SinkConfig{Name: "main"},
//		Options: goredis.UniversalOptions{Addrs: []string{"10.0.0.7:6379"}, Username: "hub", Password: password},
//	})
//	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Kinds: redis.Kinds(db)}})
//
// A rule then has one of
//
//	{"redis": {"sink": "main", "stream": {"key": "readings", "maxLen": 1000000}}}
//	{"redis": {"sink": "main", "hset": {"key": "last:${clientid()}", "expireSeconds": 86400}}}
//	{"redis": {"sink": "main", "command": ["ZADD", "seen", "${timestamp()}", "${clientid()}"]}}
//
// and a rule in Go the action that [Client.Action] returns. "sink" may be absent if there
// is one client only.
//
// # Commands
//
// [Action] has convenient forms for what is usual, and Command for the rest. Each text may
// have templates; what they bring in is a word or a part of one, sent with its length, and
// so it can never end a command or begin another. The name of a command has no templates,
// and it must be one of [Commands], which write a key or publish, or of those that the
// host allows in its Config: a rule cannot empty the database, run scripts or configure the
// server. Commands that wait, or change the connection, are refused always. Which keys a
// template can reach is up to its author: "${key}" reaches all, "dev:${clientid()}" only
// those with the prefix. A user of the server's whose ACL names the prefix is the second
// line of defence.
//
// The word [Payload], "$payload", is the outgoing payload as it is. (A literal "$payload"
// is written "${'$payload'}".) A template sees the original message, as in all actions.
//
// A form that needs several commands, such as a list with a length and an expiry, and
// everything with onceSeconds, is sent as one EVAL of a script that is always the same. It
// can take some thousand words.
//
// # Guarantees
//
// Events of one topic are written in their order. A batch, up to 256 events or 1 MiB of
// payloads of all topics of a lane, is one transaction (MULTI, EXEC): when the server has
// no memory left, is a replica, loads its data or is gone, then none of the batch has been
// done, and it comes again as a whole; so nothing overtakes what failed. Commands that the
// server refuses for good fail by themselves, the others of the batch are done in their
// order. A server, proxy or user that has no transactions gets the commands one by one,
// from the first refusal on; the batch that met the refusal may be done twice.
//
// In a cluster there is one transaction for each hash slot of the batch, so the order is
// that of each key, and keys of a node that is down wait while others are written; their
// lane waits for them before it goes on. Redirections are followed. Messages of a channel
// all go to the node that has the channel's slot, which keeps their order.
//
// An event is done when the server has answered, which says nothing about its disk or its
// replicas: a failover can lose what the old master had answered last. When a connection
// breaks before the answer, the batch is written again: XADD, LPUSH, INCR and PUBLISH may
// then be done twice, while SET and HSET do not mind. With onceSeconds the server remembers
// the id of each event for that time, in the same script that writes, and does not write it
// again; that needs a key for each event, and EVAL. In a cluster an event with onceSeconds
// waits while its slot moves to another node.
//
// # Errors
//
// What the server says about a command is for good: WRONGTYPE, a syntax it does not know, a
// value that is not a number. What it says about itself passes (LOADING, READONLY, OOM,
// BUSY, MISCONF, MASTERDOWN, NOREPLICAS, CLUSTERDOWN, TRYAGAIN, NOAUTH, WRONGPASS, too many
// clients), as does everything that happens to the connection. NOPERM is for good if the
// event chose the key or channel that the user may not write, and passes otherwise, because
// an administrator can mend that.
//
// go-redis logs failed connections by itself; its SetLogger silences that.
package redis
