// Package influx writes the results of rules as points to InfluxDB, to VictoriaMetrics and
// to others that take the line protocol over HTTP. It is the AWS action "influxDB".
//
// A host opens a client for each server, and gives rules written as JSON the means to name
// it:
//
//	db, err := influx.Open(influx.Config{
//		URL: "https://influx.example.com:8086", API: influx.V2, Token: token,
//		Sink: actions.SinkConfig{Name: "main"},
//	})
//	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Kinds: influx.Kinds(db)}})
//
// A rule then has
//
//	{"influxDB": {"sink": "main", "organization": "plant", "databaseName": "iot", "tableName": "air",
//		"tags": {"room": "${topic(2)}"}, "fields": {"temp": "float", "count": "integer"}}}
//
// and a rule in Go the action that [Client.Write] returns.
//
// # Points
//
// The outgoing payload is an object, which becomes a point, or an array of objects, each of
// which becomes one. A point has the measurement and the tags of the action, and the
// members of its object as fields: all of them, or those that the action names. Members
// that are null are left out. Objects and arrays in it become fields of their own,
// {"gps": {"pos": [8.5, 47.4]}} the fields gps_pos_0 and gps_pos_1.
//
// The member "timestamp" is the point's time, a whole number in the unit of the action, by
// default milliseconds. Without it the time is that at which the hub took the message in,
// which is the same however often it is tried; each of several points needs one. (AWS wants
// it always.)
//
// A text becomes a text, true a boolean, and a number a float, because InfluxDB gives a
// field the type of the first value that it gets, and a device that measures 21 now measures
// 21.5 next. Counters and ids are given the type "integer". A whole number that a float
// cannot hold fails its event instead of losing its last digits.
//
// Names and texts come from devices, so all are escaped, and what the line protocol cannot
// hold fails its event: control characters in names and tags, a backslash before a
// separator, a quote in the name of a field, and line breaks in texts, unless
// Config.LineBreaks allows them.
//
// # Guarantees
//
// An event is done when the server has taken all of its points. Points of the same
// measurement, tags and time are one point, so what is written twice because a connection
// broke is there once in InfluxDB. (VictoriaMetrics keeps both samples unless it is told to
// deduplicate, and it says that it has samples before they are on disk.)
//
// Events of one topic are written in their order. A request has up to 5000 events or 1 MiB
// of payloads, of all topics of the rule; see [BatchConfig].
//
// Answers with 400, 413 and 422 are about points: a field of another type, a time beyond
// the retention, too many series, a request that is too large. InfluxDB has written the
// other points then. The request is sent again in halves, until the events are found whose
// points are refused; those fail for good, all others are written. Every other answer, as
// for a database that is missing or a login that is wrong, passes when somebody mends it:
// the events wait. VictoriaMetrics never refuses a point: what is too old for it, it drops
// and logs.
package influx
