package actions

import (
	"context"
	"log/slog"
	"strings"
)

// Log writes a line to the hub's log for each event. It is an action of this hub's,
// "log", for the time when a rule is made.
type Log struct {
	// Level is "debug", "info" (the default), "warn" or "error".
	Level string `json:"level,omitempty"`
	// Message is the text of the line; it may have templates. Default "rule matched".
	Message string `json:"message,omitempty"`
}

// maxLogged bounds what a line repeats of a payload.
const maxLogged = 4096

var levels = map[string]slog.Level{
	"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// Kind is "log".
func (Log) Kind() string { return "log" }

// Resource is the level.
func (a Log) Resource(Event) string { return a.Level }

// Do fails: the action works on a host.
func (Log) Do(context.Context, Event) error { return Permanent(ErrNoHost) }

// Params are the message.
func (a Log) Params() []Param {
	if a.Message == "" {
		a.Message = "rule matched"
	}
	return []Param{{Name: "message", Text: a.Message, Optional: true}}
}

// Check reports an unknown level.
func (a Log) Check() error {
	if _, ok := levels[a.Level]; !ok {
		return WrongField("level", a.Level, "debug, info, warn or error")
	}
	return nil
}

// On takes h.Logger.
func (a Log) On(h Host) (Action, error) {
	level, ok := levels[a.Level]
	if !ok {
		return nil, a.Check()
	}
	if h.Logger == nil {
		h.Logger = slog.Default()
	}
	return Func(func(ctx context.Context, ev Event) error {
		payload := ev.Payload
		if len(payload) > maxLogged {
			payload = payload[:maxLogged]
		}
		h.Logger.Log(ctx, level, strings.Clone(ev.Params[0]), // a handler may keep what it gets
			"rule", ev.Rule, "topic", strings.Clone(ev.Message.Topic), "client", strings.Clone(ev.Message.ClientID),
			"payload", strings.ToValidUTF8(string(payload), "\ufffd"))
		return nil
	}), nil
}

func decodeLog(data []byte) (Action, error) {
	o := ReadObject(data)
	a := Log{Level: o.Enum("level", "debug", "info", "warn", "error"), Message: o.Text("message")}
	if err := o.Done(); err != nil {
		return nil, err
	}
	return a, nil
}
