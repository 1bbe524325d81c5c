package sql

import (
	"time"
)

// The functions of dates. Names of zones are those of the IANA database that the host's
// system has; a host without one imports time/tzdata.
var _ = register(map[string]*builtin{
	"parse_time":    {min: 2, max: 3, since2016: true, build: parseTime},
	"time_to_epoch": {min: 2, max: 2, since2016: true, build: timeToEpoch},
})

var (
	jodaPatterns cache[jodaPattern]
	javaPatterns cache[*javaPattern]
)

// parseTime is parse_time(pattern, milliseconds) and parse_time(pattern, milliseconds,
// zone), which, despite its name, writes a time.
func parseTime(c *compiler, n *call) expr {
	pattern := func(r *Run, v Value) jodaPattern {
		return jodaPatterns.get(v.s, func(s string) jodaPattern {
			p, _ := newJodaPattern(s)
			return p
		})
	}
	if s, ok := constantText(n, 0); ok {
		p, err := newJodaPattern(s)
		if err != nil {
			c.warn(n.args[0].at(), "parse_time is Undefined: %v", err)
		}
		pattern = func(*Run, Value) jodaPattern { return p }
	}
	zone := func(v Value) *time.Location { return jodaZone(v.s) }
	if s, ok := constantText(n, 2); ok {
		l := jodaZone(s)
		if l == nil {
			c.warn(n.args[2].at(), "parse_time is Undefined: there is no time zone %q", clip(s))
		}
		zone = func(Value) *time.Location { return l }
	}
	args := c.exprs(n.args)
	return func(r *Run) Value {
		p, ms := args[0](r), args[1](r)
		l := time.UTC
		if len(args) == 3 {
			z := args[2](r)
			if z.kind != String {
				return undefined
			}
			l = zone(z)
		}
		if p.kind != String || l == nil {
			return undefined
		}
		parts := pattern(r, p)
		at, ok := ms.asInt()
		t, inReach := timeOfMillis(at, l)
		if parts == nil || !ok || !inReach {
			return undefined
		}
		from := r.arena.mark()
		r.arena.bytes = parts.append(r.arena.bytes, t)
		return text(r.arena.since(from))
	}
}

// timeToEpoch is time_to_epoch(text, pattern).
func timeToEpoch(c *compiler, n *call) expr {
	pattern := func(v Value) *javaPattern {
		return javaPatterns.get(v.s, func(s string) *javaPattern {
			p, _ := newJavaPattern(s)
			return p
		})
	}
	if s, ok := constantText(n, 1); ok {
		p, err := newJavaPattern(s)
		if err != nil {
			c.warn(n.args[1].at(), "time_to_epoch is Undefined: %v", err)
		}
		pattern = func(Value) *javaPattern { return p }
	}
	of, by := c.expr(n.args[0]), c.expr(n.args[1])
	return func(r *Run) Value {
		s, p := of(r), by(r)
		if s.kind != String || p.kind != String {
			return undefined
		}
		compiled := pattern(p)
		if compiled == nil {
			return undefined
		}
		ms, ok := compiled.parse(&r.reading, s.s)
		if !ok {
			return undefined
		}
		return integer(ms)
	}
}
