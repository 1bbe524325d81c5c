package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"
)

// Shadow updates a device shadow with the outgoing payload. It is an action of this
// hub's, "shadow"; AWS has a republish to the shadow's topic for it.
type Shadow struct {
	// Thing is whose shadow; it may have templates.
	Thing string `json:"thing"`
	// Name is the shadow's name, empty for the classic one; it may have templates.
	Name string `json:"name,omitempty"`
	// Side is "desired" or "reported": the payload is an object that is merged into
	// that side. Empty: the payload is a whole update, {"state":{...}}.
	Side string `json:"side,omitempty"`
}

// Kind is "shadow".
func (Shadow) Kind() string { return "shadow" }

// Resource is the thing, followed by the shadow's name if it has one.
func (Shadow) Resource(ev Event) string {
	if ev.Params[1] == "" {
		return ev.Params[0]
	}
	return ev.Params[0] + "/" + ev.Params[1]
}

// Do fails: the action works on a host.
func (Shadow) Do(context.Context, Event) error { return Permanent(ErrNoHost) }

// Params are thing and name.
func (a Shadow) Params() []Param {
	return []Param{{Name: "thing", Text: a.Thing}, {Name: "name", Text: a.Name, Optional: a.Name == ""}}
}

// Check reports what can be seen to be wrong before a message comes.
func (a Shadow) Check() error {
	switch {
	case a.Thing == "":
		return WrongField("thing", "", "the name of a thing")
	case a.Side != "" && a.Side != "desired" && a.Side != "reported":
		return WrongField("side", a.Side, "desired or reported")
	}
	return nil
}

// On needs h.Shadows.
func (a Shadow) On(h Host) (Action, error) {
	if h.Shadows == nil {
		return nil, fmt.Errorf("shadow: %w: shadows", ErrNoHost)
	}
	return &shadowUpdate{Shadow: a, shadows: h.Shadows}, nil
}

type shadowUpdate struct {
	Shadow
	shadows ShadowUpdater
}

func (a *shadowUpdate) Do(ctx context.Context, ev Event) error {
	if !json.Valid(ev.Payload) || !gjson.ParseBytes(ev.Payload).IsObject() {
		return Permanent(errors.New("the payload is not a JSON object, which a shadow is made of"))
	}
	document := ev.Payload
	if a.Side != "" {
		document = make([]byte, 0, len(ev.Payload)+32)
		document = append(append(append(document, `{"state":{"`...), a.Side...), `":`...)
		document = append(append(document, ev.Payload...), `}}`...)
	}
	return a.shadows.UpdateShadow(ctx, ev.Params[0], ev.Params[1], document)
}

func decodeShadow(data []byte) (Action, error) {
	o := ReadObject(data)
	a := Shadow{Thing: o.Need("thing"), Name: o.Text("name"), Side: o.Enum("side", "desired", "reported")}
	if err := o.Done(); err != nil {
		return nil, err
	}
	return a, nil
}
