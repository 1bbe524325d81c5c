package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/internal/post"
)

// kind is the key of the action in JSON.
const kind = "clickhouse"

// Insert says which table the rows of events go into. No text has templates: which table
// and which columns there are is not for devices to say.
type Insert struct {
	// Sink is the name of the client. It may be absent in JSON if there is one client.
	Sink string `json:"sink,omitempty"`
	// Database is that of the table. Default: that of the client.
	Database string `json:"database,omitempty"`
	// Table is the table.
	Table string `json:"table"`
	// Columns are the columns to write; a row is made of the members of the payload that
	// have these names, and a column without one has its default. Without it a row is the
	// object of the payload. Its members that are no columns are left out by newer servers;
	// older ones refuse the row. The setting input_format_skip_unknown_fields decides.
	Columns     []string     `json:"columns,omitempty"`
	BatchConfig *BatchConfig `json:"batchConfig,omitempty"`
}

// BatchConfig bounds the events that go into one insert. What is 0 has its default.
type BatchConfig struct {
	// MaxBatchOpenMs is how long the first event waits for others. Default 1000: a server
	// would rather have one insert a second than many.
	MaxBatchOpenMs int `json:"maxBatchOpenMs,omitempty"`
	// MaxBatchSize is how many events there are: up to 1000000, default 500, which is half
	// of what may wait for a rule by default. A larger one wants a larger Delivery.Queue:
	// what waits for company takes up room.
	MaxBatchSize int `json:"maxBatchSize,omitempty"`
	// MaxBatchSizeBytes bounds their payloads: up to 256 MiB, default 8 MiB.
	MaxBatchSizeBytes int `json:"maxBatchSizeBytes,omitempty"`
}

const (
	maxOpen      = 60_000
	defaultOpen  = 1000
	maxSize      = 1_000_000
	defaultSize  = 500
	maxBytes     = 256 << 20
	defaultBytes = 8 << 20
	maxColumns   = 1000
)

// An Action inserts the rows of an [Insert]. It is made by [Client.Insert] and by the
// decoder of [Kinds].
type Action struct {
	insert Insert
	client *Client
	query  url.Values
}

// Insert returns the action for a rule in Go. Its Sink is filled in.
func (c *Client) Insert(i Insert) *Action {
	if i.Sink == "" {
		i.Sink = c.sink.Name()
	}
	i.Columns = slices.Clone(i.Columns)
	return c.action(i)
}

func (c *Client) action(i Insert) *Action {
	a := &Action{insert: i, client: c, query: maps.Clone(c.settings)}
	a.query.Set("query", a.statement())
	return a
}

// statement is the SQL. Check refuses all names that are not plain.
func (a *Action) statement() string {
	var b strings.Builder
	b.WriteString("INSERT INTO ")
	if db := a.database(); db != "" {
		b.WriteString(quoted(db) + ".")
	}
	b.WriteString(quoted(a.insert.Table))
	for i, column := range a.insert.Columns {
		b.WriteString([]string{" (", ", "}[min(i, 1)] + quoted(column))
	}
	if len(a.insert.Columns) > 0 {
		b.WriteString(")")
	}
	b.WriteString(" FORMAT JSONEachRow")
	return b.String()
}

var quoting = strings.NewReplacer("\\", "\\\\", "`", "\\`")

func quoted(name string) string { return "`" + quoting.Replace(name) + "`" }

func (a *Action) database() string {
	if a.insert.Database != "" {
		return a.insert.Database
	}
	return a.client.database
}

// Kind is "clickhouse".
func (a *Action) Kind() string { return kind }

// Resource is the table.
func (a *Action) Resource(actions.Event) string {
	if db := a.database(); db != "" {
		return db + "." + a.insert.Table
	}
	return a.insert.Table
}

// Sink is that of the client.
func (a *Action) Sink() *actions.Sink { return a.client.sink }

// MarshalJSON returns the parameters.
func (a *Action) MarshalJSON() ([]byte, error) { return json.Marshal(a.insert) }

// Check reports parameters that are wrong.
func (a *Action) Check() error {
	i := &a.insert
	switch name := a.client.sink.Name(); {
	case i.Sink != "" && i.Sink != name:
		return actions.WrongField("sink", i.Sink, fmt.Sprintf("%q, the name of the client", name))
	case i.Database != "" && !isName(i.Database):
		return actions.WrongField("database", i.Database, wantName)
	case !isName(i.Table):
		return actions.WrongField("table", i.Table, wantName)
	case len(i.Columns) > maxColumns:
		return &actions.FieldError{Field: "columns", Value: fmt.Sprintf("an array of %d", len(i.Columns)), Want: fmt.Sprintf("up to %d columns", maxColumns)}
	}
	for n, column := range i.Columns {
		if !isColumn(column) {
			return actions.WrongField(fmt.Sprintf("columns[%d]", n), column, "the name of a column: letters, digits and underscores, with dots for nested ones")
		}
		if slices.Contains(i.Columns[:n], column) {
			return actions.WrongField(fmt.Sprintf("columns[%d]", n), column, "each column once")
		}
	}
	if c := i.BatchConfig; c != nil {
		for _, b := range [...]struct {
			name     string
			is, high int
		}{{"maxBatchOpenMs", c.MaxBatchOpenMs, maxOpen}, {"maxBatchSize", c.MaxBatchSize, maxSize}, {"maxBatchSizeBytes", c.MaxBatchSizeBytes, maxBytes}} {
			if b.is < 0 || b.is > b.high {
				return &actions.FieldError{Field: "batchConfig." + b.name, Value: fmt.Sprint(b.is), Want: fmt.Sprintf("0 to %d", b.high)}
			}
		}
	}
	return nil
}

// Batch is batchConfig. The events of all topics of a rule go together, in their order.
func (a *Action) Batch() actions.Batch {
	b := actions.Batch{Events: defaultSize, Bytes: defaultBytes, Open: defaultOpen * time.Millisecond, AcrossTopics: true}
	if c := a.insert.BatchConfig; c != nil {
		if c.MaxBatchOpenMs != 0 {
			b.Open = time.Duration(c.MaxBatchOpenMs) * time.Millisecond
		}
		if c.MaxBatchSize != 0 {
			b.Events = c.MaxBatchSize
		}
		if c.MaxBatchSizeBytes != 0 {
			b.Bytes = c.MaxBatchSizeBytes
		}
	}
	return b
}

// Do inserts the rows of one event.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	return a.DoBatch(ctx, []actions.Event{ev})[0]
}

// DoBatch inserts the rows of several events with one request, and with more of them if the
// server refuses some rows.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	return post.Write(evs, a.rows, func(evs []actions.Event, rows []byte) error {
		rows = rows[:len(rows)-len(separator)]
		if !a.client.old.Load() {
			answer, err := a.send(ctx, rows, tokenOf(evs))
			if err != nil {
				return err
			}
			if codeOf(answer) != unknownSetting || !strings.Contains(answer.Text, tokenSetting) {
				return judge(answer)
			}
			a.client.old.Store(true)
		}
		answer, err := a.send(ctx, rows, "")
		if err != nil {
			return err
		}
		return judge(answer)
	})
}

// send sends rows. With a token they are an array: a server that knows tokens knows that
// too. Otherwise, when a connection breaks between two rows, a server may take what came for
// the whole, and with its token drop the whole when that comes again.
func (a *Action) send(ctx context.Context, rows []byte, token string) (*post.Answer, error) {
	query := a.query
	if token != "" {
		query = maps.Clone(query)
		query.Set(tokenSetting, token)
		array := make([]byte, 0, len(rows)+2)
		rows = append(append(append(array, '['), rows...), ']')
	}
	answer, err := a.client.post.Send(ctx, a.client.url+"?"+query.Encode(), rows)
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	return answer, nil
}

// tokenOf is the same for the same events.
func tokenOf(evs []actions.Event) string {
	h := sha256.New()
	for _, ev := range evs {
		h.Write([]byte(ev.ID()))
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}
