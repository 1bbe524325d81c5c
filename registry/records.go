package registry

import (
	"maps"
	"slices"
	"time"
)

// The records of a [Registry]. A store keeps every field; the JSON form is theirs
// to use.

// A Thing is one device, or whatever else the host calls a thing.
type Thing struct {
	Name string `json:"name"`
	// ID is a UUID; a thing created again gets another.
	ID string `json:"id"`
	// Type is the name of the thing's type, or empty.
	Type       string            `json:"type,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	// Version starts at 1 and grows by 1 with every update.
	Version int64 `json:"version"`
}

// A Type is a thing type: what things of one kind have in common.
type Type struct {
	Name        string `json:"name"`
	ID          string `json:"id"`
	Description string `json:"description,omitempty"`
	// SearchableAttributes are names of thing attributes, sorted.
	SearchableAttributes []string `json:"searchableAttributes,omitempty"`
	// PropagatingAttributes become MQTT 5 user properties of what things of the
	// type publish.
	PropagatingAttributes []PropagatingAttribute `json:"propagatingAttributes,omitempty"`
	Created               time.Time              `json:"created"`
	// Deprecated is when the type was deprecated; zero when it is not.
	Deprecated time.Time `json:"deprecated,omitzero"`
	// Version counts the changes of the record. It is not shown by the AWS API.
	Version int64 `json:"version"`
}

// A PropagatingAttribute adds the user property Key to messages. Its value comes
// from one attribute: of the thing, or of the connection ("iot:ClientId",
// "iot:Thing.ThingName").
type PropagatingAttribute struct {
	Key                 string `json:"key"`
	ThingAttribute      string `json:"thingAttribute,omitempty"`
	ConnectionAttribute string `json:"connectionAttribute,omitempty"`
}

// A Group is a thing group. A static one has members and may have a parent; a
// dynamic one has a Query, and its members are the things that match.
type Group struct {
	Name        string            `json:"name"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	// Parent is the name of the parent group, or empty. It never changes.
	Parent  string    `json:"parent,omitempty"`
	Created time.Time `json:"created"`
	// Query, QueryVersion and Index are set in dynamic groups only.
	Query        string `json:"query,omitempty"`
	QueryVersion string `json:"queryVersion,omitempty"`
	Index        string `json:"index,omitempty"`
	// Version starts at 1 and grows by 1 with every update.
	Version int64 `json:"version"`
}

// Dynamic reports whether the members are found by a query.
func (g Group) Dynamic() bool { return g.Query != "" }

// A BillingGroup is a set of things that are paid for together. A thing is in at
// most one.
type BillingGroup struct {
	Name        string    `json:"name"`
	ID          string    `json:"id"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	// Version starts at 1 and grows by 1 with every update.
	Version int64 `json:"version"`
}

// Tags are the tags of one resource. The name of the record is the resource's ARN.
type Tags struct {
	Values  map[string]string `json:"values"`
	Version int64             `json:"version"`
}

// A Setting is a piece of the service's own configuration, as JSON.
type Setting struct {
	Value   string `json:"value"`
	Version int64  `json:"version"`
}

// Revision returns the version; see [Versioned].
func (t Thing) Revision() int64 { return t.Version }

// Revision returns the version; see [Versioned].
func (t Type) Revision() int64 { return t.Version }

// Revision returns the version; see [Versioned].
func (g Group) Revision() int64 { return g.Version }

// Revision returns the version; see [Versioned].
func (g BillingGroup) Revision() int64 { return g.Version }

// Revision returns the version; see [Versioned].
func (t Tags) Revision() int64 { return t.Version }

// Revision returns the version; see [Versioned].
func (s Setting) Revision() int64 { return s.Version }

// clone returns a copy that shares nothing.
func (t Type) clone() Type {
	t.SearchableAttributes = slices.Clone(t.SearchableAttributes)
	t.PropagatingAttributes = slices.Clone(t.PropagatingAttributes)
	return t
}

func (g Group) clone() Group {
	g.Attributes = maps.Clone(g.Attributes)
	return g
}

func (t Tags) clone() Tags {
	t.Values = maps.Clone(t.Values)
	return t
}
