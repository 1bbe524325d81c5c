package influx

import (
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/actions"
)

// Kinds returns the decoder for rules that are written as JSON, by the key "influxDB". An
// action names its client by the name of the sink, as "sink" or "destinationArn"; with one
// client it need not.
func Kinds(clients ...*Client) map[string]actions.Decoder {
	return map[string]actions.Decoder{kind: func(data []byte) (actions.Action, error) { return decode(data, clients) }}
}

// names reports whether a destination is that of a client.
func names(arn, client string) bool { return arn == client || strings.HasSuffix(arn, "/"+client) }

func decode(data []byte, clients []*Client) (actions.Action, error) {
	o := actions.ReadObject(data)
	w := Write{
		Sink: o.Text("sink"), DestinationARN: o.Text("destinationArn"), DatabaseName: o.Need("databaseName"), TableName: o.Need("tableName"),
		Organization: o.Text("organization"), Tags: o.Texts("tags"), TimestampUnit: Unit(o.Enum("timestampUnit", units...)),
		Integers: o.Bool("integers"), RoleARN: o.Text("roleArn"),
	}
	if fields := o.Texts("fields"); fields != nil {
		w.Fields = make(map[string]FieldType, len(fields))
		for name, kind := range fields {
			w.Fields[name] = FieldType(kind)
		}
	}
	if c, ok := o.Object("batchConfig"); ok {
		w.BatchConfig = &BatchConfig{
			MaxBatchOpenMs:    c.Int("maxBatchOpenMs", 1, maxOpen),
			MaxBatchSize:      c.Int("maxBatchSize", 1, maxSize),
			MaxBatchSizeBytes: c.Int("maxBatchSizeBytes", 1, maxBytes),
			BatchAcrossTopics: c.Bool("batchAcrossTopics"),
		}
		if err := c.Done(); err != nil {
			return nil, err
		}
	}
	if err := o.Done(); err != nil {
		return nil, err
	}
	c, err := choose(clients, w)
	if err != nil {
		return nil, err
	}
	a := c.action(w)
	return a, a.Check()
}

// choose finds the client of an action.
func choose(clients []*Client, w Write) (*Client, error) {
	field, value := "sink", w.Sink
	if value == "" && w.DestinationARN != "" {
		field, value = "destinationArn", w.DestinationARN
	}
	var found []*Client
	var known []string
	for _, c := range clients {
		name := c.sink.Name()
		known = append(known, fmt.Sprintf("%q", name))
		if value == "" || value == name || field == "destinationArn" && names(value, name) {
			found = append(found, c)
		}
	}
	switch {
	case len(clients) == 0:
		return nil, fmt.Errorf("this hub has no InfluxDB")
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1 && value != "":
		return nil, fmt.Errorf("%s is %q, which is the name of %d clients", field, value, len(found))
	}
	return nil, actions.WrongField(field, value, strings.Join(known, " or "))
}
