// Package postgres has an action that writes to PostgreSQL, and to what speaks its protocol,
// such as TimescaleDB.
//
// The host opens a [Client], which is a pool of connections and knows the credentials, and
// hands its [Kinds] to the rules engine. A rule names the client and says what is written:
//
//	{"postgres": {"sink": "main", "table": "readings",
//	  "columns": {"id": "${newuuid()}", "time": "${timestamp()}", "device": "${topic(2)}", "data": "$payload"},
//	  "onConflict": "nothing", "key": ["id"]}}
//
//	{"postgres": {"sink": "main", "statement": "UPDATE devices SET temp = ${temp} WHERE name = ${topic(2)}"}}
//
// In Go the same is an [Action] of [Client.Action].
//
// # Values
//
// A value is a text with templates, which see the original message and the variables of
// SET; $payload, the outgoing payload; or $payload.member. It is always a bound parameter,
// never a part of the SQL, so that nothing that a device sends is executed. A template in
// quotes is refused when the rule is put, with its place.
//
// The server says which type a parameter has, and gets the value as a text of that type, so
// that no digit is lost:
//
//   - null, and what is Undefined or not there, is NULL.
//   - A number is written as it stands there; for a column of whole numbers also 31.0 and
//     3.1e1. A fraction there is an error, nothing is rounded.
//   - For timestamptz, timestamp and date a number is milliseconds since 1970, as
//     timestamp() gives them; a text is what PostgreSQL reads, such as ISO 8601.
//   - For json and jsonb any value is a document, a text too; the outgoing payload must be
//     JSON.
//   - For bytea a text is base64, or hexadecimal after \x; the outgoing payload is written
//     as it is.
//   - For an array column an array is one, with NULL for null.
//   - In an expression a parameter has the type that PostgreSQL infers: write
//     ${temp}::numeric * 2, not ${temp} * 2, which is a whole number.
//   - Everything else, uuid, inet, intervals, enumerations, is a text as PostgreSQL reads it;
//     objects and arrays are their JSON.
//
// # What is guaranteed
//
// A batch is one transaction in one round trip, of up to 500 events or 1 MiB. Each lane of
// a rule has one under way, on a connection of its own. Events of a topic are committed in
// their order. If some of a batch cannot be written, it is found out which ones, and the
// others are committed: the batch is then written once more, with savepoints.
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
// take, constraints, unique ones too, what a trigger raises, syntax errors; SQLSTATE classes
// 0A, 20 to 23, 2D, 2F, 38, 39, 42, 44, 54 and P0. Tried again is everything else: no connection, wrong
// passwords, time limits, deadlocks, a full disk, a standby; and what a migration or a
// grant repairs: tables, columns, functions, schemas, unique indexes that are not there,
// and missing rights. The events of a rule with such a mistake wait, those of others do not:
// the sink is not down.
//
// A hypertable of TimescaleDB wants its time in each unique index: key ["id", "time"] with
// ${timestamp()}, which is when the hub took the message in and stays the same, too.
//
// # Mode copy
//
// COPY wrote about a third more events a second than the same INSERTs when it was measured.
// It knows no onConflict, so a batch whose answer was lost is there twice.
//
// # Poolers
//
// Statements are prepared once for each connection. For a pooler that does not know
// prepared statements put default_query_exec_mode=exec into the DSN.
package postgres
