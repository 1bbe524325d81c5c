// Package mysql has an action that writes to MySQL and MariaDB.
//
// The host opens a [Client], which is a pool of connections and knows the credentials, and
// hands its [Kinds] to the rules engine. A rule names the client and says what is written:
//
//	{"mysql": {"sink": "main", "table": "readings",
//	  "columns": {"id": "${newuuid()}", "time": "${timestamp()}", "device": "${topic(2)}", "data": "$payload"},
//	  "onConflict": "nothing"}}
//
//	{"mysql": {"sink": "main", "statement": "UPDATE devices SET temp = ${temp} WHERE name = ${topic(2)}"}}
//
// In Go the same is an [Action] of [Client.Action].
//
// # Values
//
// A value is a text with templates, which see the original message and the variables of
// SET; $payload, the outgoing payload; or $payload.member. It is always a bound parameter
// of a prepared statement, never a part of the SQL, so that nothing that a device sends is
// executed. A template in quotes is refused when the rule is put, with its place.
//
// Null, and what is Undefined or not there, is NULL. Whole numbers of up to 64 bits are
// bound as such, other numbers as the texts that they are, so that DECIMAL loses no digit.
// A text is a text in utf8mb4; objects and arrays are their JSON.
//
// Of a table the action asks which types its columns have (SELECT ... LIMIT 0; without that
// right it goes on without knowing):
//
//   - For whole numbers 31.0 and 3.1e1 are 31, and a fraction is an error.
//   - For DATETIME, TIMESTAMP and DATE a number is milliseconds since 1970, as timestamp()
//     gives them, and a text with a zone, as RFC 3339 has it, is a time; both are written in
//     UTC. Another text is what the server reads.
//   - For binary columns a text is base64; the outgoing payload is written as it is.
//   - For JSON any value is a document. In MariaDB JSON is LONGTEXT, where a text is a text:
//     it is refused unless it is itself JSON.
//   - For texts true and false are "true" and "false"; elsewhere they are 1 and 0.
//
// A statement does not tell which types its parameters have. There a time is
// FROM_UNIXTIME(${timestamp()} / 1000), bytes are FROM_BASE64(${data}), and a fraction for a
// whole number is rounded.
//
// Sessions are strict and have the time zone UTC, unless the DSN sets sql_mode or
// time_zone: what a column does not take is an error, not something else.
//
// # What is guaranteed
//
// A batch is one transaction, of up to 500 events or 1 MiB; rows of a table go in INSERTs
// of up to 256, statements one by one. Each lane of a rule has one under way, on a
// connection of its own. Events of a topic are committed in their order. If some of a batch
// cannot be written, it is found out which ones, by smaller INSERTs, and the others are
// committed. That needs an engine with transactions, such as InnoDB; others may keep rows
// of an INSERT that failed, and get them again.
//
// An event may be written twice, if the connection breaks after it was committed and before
// the answer has come. A key that stays the same over retries prevents that: a column with
// ${newuuid()}, which is made once for each message and action and stays the same over
// retries, a unique index on it, onConflict "nothing". ${traceid()} is the same for all
// actions, but Undefined, so NULL, as in AWS, for messages that did not come over MQTT:
// those that came over HTTP or that the host or a rule publishes. With such an index and
// onConflict "error" the second try of what was committed fails for good, although it is
// there.
//
// What fails for good (it goes to the rule's error action): values that the column does not
// take, constraints, unique ones too, what a trigger signals, syntax errors, what is larger
// than max_allowed_packet; SQLSTATE classes 21, 22, 23, 42, 44 and 45, and errors of this
// kind in HY000. Tried again is everything else: no connection, wrong passwords, lock waits,
// deadlocks, a full disk, a replica, limits of a user; and what a migration or a grant
// repairs: tables, columns, databases, procedures that are not there, and missing rights.
// The events of a rule with such a mistake wait, those of others do not: the sink is not
// down.
package mysql
