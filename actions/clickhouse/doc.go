// Package clickhouse inserts the results of rules into tables of ClickHouse, over its HTTP
// interface, as JSON.
//
// A host opens a client for each server, and gives rules written as JSON the means to name
// it:
//
//	db, err := clickhouse.Open(clickhouse.Config{
//		URL: "https://ch.example.com:8443", Username: "hub", Password: password, Database: "iot",
//		Settings: map[string]string{"date_time_input_format": "best_effort"},
//		Sink: actions.SinkConfig{Name: "main"},
//	})
//	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Kinds: clickhouse.Kinds(db)}})
//
// A rule then has
//
//	{"clickhouse": {"sink": "main", "table": "air", "columns": ["device", "temp", "at"]}}
//
// and a rule in Go the action that [Client.Insert] returns.
//
// # Rows
//
// The outgoing payload is an object, which becomes a row, or an array of objects, each of
// which becomes one; all rows of an event are inserted or none. The statement of the rule
// gives members the names of the columns:
//
//	SELECT clientid() AS device, temp, timestamp() AS at FROM 'rooms/+/air'
//
// What a device sends is a value and nothing else: the names of table and columns are those
// of the rule, checked, and the statement does not hold values. How a value is read is the
// server's affair; it knows the types. (It takes a whole number that is too large for its
// column without a word, and cuts it.)
//
// # Guarantees
//
// An event is done when the server has inserted its rows. Events are inserted in their
// order, those of all topics of a rule in one insert: up to 500 events or 8 MiB, or what
// came in a second; see [BatchConfig].
//
// Each insert has a token, insert_deduplication_token, made of the ids of its events, which
// are the same when it is tried again. A table of the Replicated family, or a MergeTree with
// the setting non_replicated_deduplication_window, drops what it has already; so a batch is
// there once although a connection broke before the answer came. Other tables have it
// twice then. (For async_insert, the setting async_insert_deduplicate decides.) A server from
// before version 22.2 does not know tokens: the first insert finds that out, and the client
// does without until it is opened anew.
//
// An insert is all or nothing, as long as it has one block, which is a million rows by
// default. When the server refuses one for its rows, because of a value that does not fit
// its column or a violated constraint, it is sent again in halves, until the events are
// found that are to blame; those fail for good, all others are inserted. Everything else,
// a missing table or column, a wrong login, too many parts or a lack of memory, passes when
// somebody mends it: the events wait.
package clickhouse
