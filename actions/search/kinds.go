package search

import (
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/actions"
)

// Kinds returns the decoders of "openSearch" and "elasticsearch", for rules.Config.Kinds. A
// rule names one of the clients by its endpoint or as "sink"; with one client it may do
// without. Both kinds work with each client.
func Kinds(clients ...*Client) map[string]actions.Decoder { return OpenKinds(nil, clients...) }

// OpenKinds is Kinds for a host that lets rules name other endpoints too. open returns the
// client for one that no client has, or an error that refuses the rule; it is called
// whenever such a rule is read, and should return the same client for the same endpoint.
// Its HTTP client had better refuse addresses that are not public, as [actions.NewClient]
// does, and its Auth send nothing that is meant for others.
func OpenKinds(open func(endpoint string) (*Client, error), clients ...*Client) map[string]actions.Decoder {
	kinds := map[string]actions.Decoder{}
	for _, kind := range [...]string{OpenSearch, Elasticsearch} {
		kinds[kind] = func(data []byte) (actions.Action, error) {
			a, err := read(data, open, clients)
			if err != nil {
				return nil, err
			}
			a.kind = kind
			return a, a.Check()
		}
	}
	return kinds
}

func read(data []byte, open func(endpoint string) (*Client, error), clients []*Client) (*Action, error) {
	o := actions.ReadObject(data)
	a := &Action{Document: Document{
		Endpoint: o.Text("endpoint"), Sink: o.Text("sink"),
		Index: o.Need("index"), Type: o.Text("type"), ID: o.Text("id"), RoleARN: o.Text("roleArn"),
		Version: o.Text("version"), Operation: o.Enum("operation", opIndex, opCreate),
	}}
	if err := o.Done(); err != nil {
		return nil, err
	}
	return a, a.find(open, clients)
}

// find finds the client that the rule means.
func (a *Action) find(open func(endpoint string) (*Client, error), clients []*Client) error {
	wanted := ""
	if a.Endpoint != "" {
		var err error
		if wanted, err = endpoint("endpoint", a.Endpoint); err != nil {
			return err
		}
	}
	name := a.Document.Sink
	var names, endpoints []string
	var found []*Client
	for _, c := range clients {
		names = append(names, c.Name())
		endpoints = append(endpoints, c.endpoints...)
		if name != "" && name == c.Name() || name == "" && (wanted == "" || c.is(wanted)) {
			found = append(found, c)
		}
	}
	switch {
	case len(found) == 1: // Check compares the endpoint
		a.client = found[0]
	case len(found) > 1 && name != "":
		return fmt.Errorf("several clients of this hub are called %s", name)
	case len(found) > 1:
		return actions.WrongField("sink", "", oneOf(names)+", because this hub has several clients")
	case name != "" && len(names) > 0:
		return actions.WrongField("sink", name, oneOf(names))
	case wanted != "" && open != nil && name == "":
		c, err := open(wanted)
		if err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
		a.client, a.opened = c, true
	case wanted != "" && len(endpoints) > 0:
		return actions.WrongField("endpoint", a.Endpoint, oneOf(endpoints))
	default:
		return errors.New("this hub has no client of a search server")
	}
	return nil
}
