package shadow

import (
	"context"
	"fmt"
	"slices"
)

// A Rule lets some requesters write some sides of shadows. See [Restrict].
type Rule struct {
	// Who reports whether the rule is about a requester and a shadow. Nil is about
	// every one. [ItsDevice], [Via] and [Principals] are the usual ones.
	Who func(by Requester, k Key) bool
	// Write are the sides that they may write; nothing if it is empty.
	Write []Side
}

// Restrict returns a hook for Config.Hooks that decides who may write which side of a
// shadow. Of the rules the first one that is about a request decides; a request that no
// rule is about is refused, and so is all of a request that also writes a side that the
// rule does not allow. A side is written by mentioning it, see [Pending.Writes]: a
// deletion and "state": null write both. Reading is not restricted, and the host
// itself, [FromHost], may do everything.
//
// The refusal is code 403, Forbidden; the error says what was not allowed.
//
//	// Devices report, everybody else says what is wanted.
//	shadow.Restrict(
//		shadow.Rule{Who: shadow.ItsDevice, Write: []shadow.Side{shadow.Reported}},
//		shadow.Rule{Write: []shadow.Side{shadow.Desired}},
//	)
func Restrict(rules ...Rule) Hook {
	own := make(restriction, len(rules))
	for i, r := range rules {
		own[i] = Rule{Who: r.Who, Write: slices.Clone(r.Write)}
	}
	return own
}

type restriction []Rule

// Updating implements HookUpdating.
func (rules restriction) Updating(_ context.Context, p *Pending) error { return rules.check(p) }

// Deleting implements HookDeleting.
func (rules restriction) Deleting(_ context.Context, p *Pending) error { return rules.check(p) }

func (rules restriction) check(p *Pending) error {
	if p.By.Source == FromHost {
		return nil
	}
	var may []Side
	for _, r := range rules {
		if r.Who == nil || r.Who(p.By, p.Key) {
			may = r.Write
			break
		}
	}
	for _, side := range [...]Side{Desired, Reported} {
		if !slices.Contains(may, side) && p.Writes(side) {
			return fmt.Errorf("%s may not write %s of %s", p.By, side, p.Key)
		}
	}
	return nil
}

// ItsDevice is for Rule.Who: the MQTT client whose client id is the name of the thing,
// as devices of AWS IoT connect.
func ItsDevice(by Requester, k Key) bool { return by.Source == FromMQTT && by.ClientID == k.Thing }

// Via is for Rule.Who: requests that come one of these ways.
func Via(sources ...Source) func(Requester, Key) bool {
	sources = slices.Clone(sources)
	return func(by Requester, _ Key) bool { return slices.Contains(sources, by.Source) }
}

// Principals is for Rule.Who: requesters whose Principal is one of these, in which each
// * stands for any characters or none.
func Principals(patterns ...string) func(Requester, Key) bool {
	fit := make([]pattern, len(patterns))
	for i, p := range patterns {
		fit[i] = patternOf(p)
	}
	return func(by Requester, _ Key) bool {
		return slices.ContainsFunc(fit, func(p pattern) bool { return p.fits(by.Principal) })
	}
}
