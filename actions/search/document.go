package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/thinghub/thinghub/actions"
)

// The kinds of the actions.
const (
	OpenSearch    = "openSearch"
	Elasticsearch = "elasticsearch"
)

// A Document says what document the outgoing payload becomes: the parameters of the
// action in the JSON of rules. Index, Type, ID and Version may have templates.
type Document struct {
	// Endpoint is one of those of a client, in JSON; empty if there is one client, or if
	// Sink names it. Templates are no part of it.
	Endpoint string `json:"endpoint,omitempty"`
	// Sink is the name of a client, in JSON. AWS does not know it.
	Sink string `json:"sink,omitempty"`
	// Index is the name of an index, an alias or a data stream. Date math, such as
	// <readings-{now/d}>, is possible without templates.
	Index string `json:"index"`
	// Type is the type of the document, for servers before Elasticsearch 7; others do not
	// see it. Empty: _doc. AWS wants one.
	Type string `json:"type,omitempty"`
	// ID is the id of the document. Empty: actions.Event.ID, so that each message is a
	// document of its own. AWS wants one.
	ID string `json:"id,omitempty"`
	// RoleARN is the role that requests are signed for, with [Sign]; otherwise it is kept
	// for AWS.
	RoleARN string `json:"roleArn,omitempty"`
	// Version is a whole number, such as ${timestamp()}: a document is not replaced by one
	// with a lower version (version type external_gte). AWS does not know it.
	Version string `json:"version,omitempty"`
	// Operation is "index", which is the default and replaces what is there, or "create",
	// which does not; data streams want it. AWS does not know it.
	Operation string `json:"operation,omitempty"`
}

// An Action writes documents. It is made by [Client.Put] and by the decoders of [Kinds].
type Action struct {
	Document
	client *Client
	kind   string
	opened bool // the host chose the client for the endpoint
}

// Put returns the action that writes documents to the cluster.
func (c *Client) Put(d Document) *Action {
	if d.Endpoint == "" && d.Sink == "" {
		d.Sink = c.Name() // for the JSON
	}
	return &Action{Document: d, client: c, kind: c.sink.Kind()}
}

// Kind is "openSearch" or "elasticsearch".
func (a *Action) Kind() string { return a.kind }

// Resource is the index.
func (a *Action) Resource(ev actions.Event) string { return ev.Params[paramIndex] }

// Sink is that of the client.
func (a *Action) Sink() *actions.Sink { return a.client.sink }

// The places of Params.
const (
	paramIndex = iota
	paramType
	paramID
	paramVersion
)

// Params are index, type, id and version.
func (a *Action) Params() []actions.Param {
	return []actions.Param{
		paramIndex:   {Name: "index", Text: a.Index},
		paramType:    {Name: "type", Text: a.Type, Optional: a.Type == ""},
		paramID:      {Name: "id", Text: a.ID, Optional: a.ID == ""},
		paramVersion: {Name: "version", Text: a.Version, Optional: a.Version == ""},
	}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *Action) Check() error {
	if name := a.Document.Sink; name != "" && name != a.client.Name() {
		return actions.WrongField("sink", name, a.client.Name())
	}
	if a.Endpoint != "" {
		switch e, err := endpoint("endpoint", a.Endpoint); {
		case err != nil:
			return err
		case !a.opened && !a.client.is(e):
			return actions.WrongField("endpoint", a.Endpoint, oneOf(a.client.endpoints))
		}
	}
	if !templated(a.Index) {
		if err := a.checkIndex(a.Index); err != nil {
			return err
		}
	}
	if a.Type != "" && !templated(a.Type) {
		if err := checkType(a.Type); err != nil {
			return err
		}
	}
	if a.ID != "" && !templated(a.ID) {
		if err := checkID(a.ID); err != nil {
			return err
		}
	}
	if a.Version != "" && !templated(a.Version) {
		if _, err := checkVersion(a.Version); err != nil {
			return err
		}
	}
	switch a.Operation {
	case "", opIndex:
	case opCreate:
		if a.Version != "" {
			return actions.WrongField("version", a.Version, "none beside the operation create")
		}
	default:
		return actions.WrongField("operation", a.Operation, "index or create")
	}
	return nil
}

func templated(text string) bool { return strings.Contains(text, "${") }

// checkIndex checks a name as it is rendered.
func (a *Action) checkIndex(name string) error {
	if strings.HasPrefix(a.Index, "<") && strings.HasSuffix(a.Index, ">") && !templated(a.Index) {
		return nil // date math, which the server reads
	}
	return checkIndex(name, strings.HasPrefix(a.Index, "."))
}

// Batch is that of the client's configuration.
func (a *Action) Batch() actions.Batch {
	b := actions.Batch{Events: a.client.cfg.Events, Bytes: a.client.cfg.Bytes, Open: a.client.cfg.Open, AcrossTopics: true, Parallel: true}
	if a.client.cfg.IndexInPath {
		b.Key = a.Resource
	}
	return b
}

// Do writes one document.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	return a.DoBatch(ctx, []actions.Event{ev})[0]
}

// DoBatch writes documents with one request.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	b := bulk{action: a, errs: make([]error, len(evs))}
	for i, ev := range evs {
		d, err := a.item(ev)
		if err != nil {
			b.errs[i] = actions.Permanent(err)
			continue
		}
		d.event = i
		b.items = append(b.items, d)
	}
	if len(b.items) > 0 {
		_ = b.send(ctx, b.items) // each has its error
		b.replaced()
	}
	return b.errs
}

var errNoObject = errors.New("the payload is not a JSON object, which a document must be")

// item reads an event.
func (a *Action) item(ev actions.Event) (d item, err error) {
	d = item{index: ev.Params[paramIndex], kind: ev.Params[paramType], id: ev.Params[paramID], payload: ev.Payload}
	if err := a.checkIndex(d.index); err != nil {
		return d, err
	}
	if a.Type == "" {
		d.kind = defaultType
	} else if err := checkType(d.kind); err != nil {
		return d, err
	}
	if a.ID == "" {
		d.id = ev.ID()
	}
	if err := checkID(d.id); err != nil {
		return d, err
	}
	if a.Version != "" {
		if d.version, err = checkVersion(ev.Params[paramVersion]); err != nil {
			return d, err
		}
	}
	// The server would find it too, but not all that is wrong in a line ends with it.
	if text := bytes.TrimLeft(d.payload, " \t\r\n"); len(text) == 0 || text[0] != '{' || !utf8.Valid(text) || !json.Valid(text) {
		return d, errNoObject
	}
	return d, nil
}
