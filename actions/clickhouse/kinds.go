package clickhouse

import (
	"encoding/json"
	"fmt"

	"github.com/thinghub/thinghub/actions"
)

// Kinds returns the decoder for rules that are written as JSON, by the key "clickhouse". An
// action names its client by the name of the sink; with one client it need not.
func Kinds(clients ...*Client) map[string]actions.Decoder {
	return map[string]actions.Decoder{kind: func(data []byte) (actions.Action, error) { return decode(data, clients) }}
}

func decode(data []byte, clients []*Client) (actions.Action, error) {
	o := actions.ReadObject(data)
	i := Insert{Sink: o.Text("sink"), Database: o.Text("database"), Table: o.Need("table")}
	items, _ := o.Items("columns", 1, maxColumns)
	for n, item := range items {
		var column string
		if item[0] != '"' || json.Unmarshal(item, &column) != nil {
			return nil, &actions.FieldError{Field: fmt.Sprintf("columns[%d]", n), Value: string(item), Want: "a text"}
		}
		i.Columns = append(i.Columns, column)
	}
	if c, ok := o.Object("batchConfig"); ok {
		i.BatchConfig = &BatchConfig{
			MaxBatchOpenMs:    c.Int("maxBatchOpenMs", 1, maxOpen),
			MaxBatchSize:      c.Int("maxBatchSize", 1, maxSize),
			MaxBatchSizeBytes: c.Int("maxBatchSizeBytes", 1, maxBytes),
		}
		if err := c.Done(); err != nil {
			return nil, err
		}
	}
	if err := o.Done(); err != nil {
		return nil, err
	}
	c, err := actions.SinkNamed(clients, i.Sink)
	if err != nil {
		return nil, err
	}
	a := c.action(i)
	return a, a.Check()
}
