package auth

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// LogLines is how many lines of refusals the hub's own log has in a second.
const LogLines = 10

// LogEvents returns an [Auditor] that writes to a logger: what was refused or forbidden as
// information, everything else for debugging (what failed is logged by the room in which it
// did). Of the former it writes at most perSecond lines in a second, so that who knocks
// often does not fill the log; the next line then says how many were left out.
func LogEvents(log *slog.Logger, perSecond int) Auditor {
	l := &eventLog{log: log, most: perSecond}
	return l.write
}

type eventLog struct {
	log  *slog.Logger
	most int

	mu     sync.Mutex
	second int64 // which one is counted
	lines  int   // in it
	left   int   // out since the last line
}

func (l *eventLog) write(e *Event) {
	level := slog.LevelDebug
	if e.Outcome == Refused || e.Outcome == Forbidden {
		level = slog.LevelInfo
	}
	ctx := context.Background()
	if !l.log.Enabled(ctx, level) {
		return
	}
	left := 0
	if level > slog.LevelDebug {
		var ok bool
		if left, ok = l.take(); !ok {
			return
		}
	}
	all := make([]slog.Attr, 0, 12)
	add := func(key, value string) {
		if value != "" {
			all = append(all, slog.String(key, value))
		}
	}
	add("service", e.Service)
	add("operation", e.Operation)
	add("client", e.ClientID)
	add("principal", e.Principal)
	add("user", e.User)
	add("remote", e.RemoteAddr)
	add("action", string(e.Action))
	add("resource", e.Resource)
	add("why", e.Why())
	if left > 0 {
		all = append(all, slog.Int("left_out", left))
	}
	l.log.LogAttrs(ctx, level, "auth: "+e.Outcome.String(), all...)
}

// take reports whether there may be one more line, and how many were left out before it.
// It has a clock of its own: those of rooms may differ.
func (l *eventLog) take() (left int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := time.Now().Unix(); s != l.second {
		l.second, l.lines = s, 0
	}
	if l.lines >= l.most {
		l.left++
		return 0, false
	}
	l.lines++
	left, l.left = l.left, 0
	return left, true
}
