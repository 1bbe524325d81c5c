package thinghub

import (
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// auditor counts what is decided about clients and people in all rooms, and passes it on to
// the host. As a hook of the gateway it makes events of what happens there.
type auditor struct {
	tally *auth.Tally
	tell  auth.Auditor
}

// AuthCounts returns how often logins and requests were accepted and refused, by service,
// operation and outcome, ordered by these: what Config.Audit was told of. The numbers
// only grow.
func (h *Hub) AuthCounts() []auth.Count { return h.audited.Counts() }

// joinAudit decides who is told.
func (h *Hub) joinAudit(cfg *Config) auditor {
	a := auditor{&h.audited, cfg.Audit}
	if a.tell == nil {
		a.tell = auth.LogEvents(h.log, auth.LogLines)
	}
	return a
}

func (a auditor) audit(e *auth.Event) {
	a.tally.Add(e)
	a.tell(e)
}

// room is who a room tells: the hub, and whom the host has told the room of.
func (a auditor) room(more auth.Auditor) auth.Auditor {
	if more == nil {
		return a.audit
	}
	return func(e *auth.Event) {
		a.audit(e)
		more(e)
	}
}

// Connected is a login that was accepted.
func (a auditor) Connected(c *broker.ClientInfo) {
	e := &auth.Event{
		Time: c.ConnectedAt, Service: "mqtt", Operation: "Connect", ClientID: c.ClientID, User: c.Username,
		Principal: c.Principal, PrincipalARN: c.PrincipalARN, Action: auth.Connect, Resource: c.ClientID,
	}
	if c.RemoteAddr != nil {
		e.RemoteAddr = c.RemoteAddr.String()
	}
	a.audit(e)
}

// Denied is what the gateway refused.
func (a auditor) Denied(d *broker.Denial) {
	e := &auth.Event{
		Time: time.Now(), Service: "mqtt", Operation: strings.TrimPrefix(string(d.Action), "iot:"), Outcome: auth.OutcomeOf(d.Err),
		ClientID: d.ClientID, User: d.Username, Principal: d.Principal, PrincipalARN: d.PrincipalARN, Action: d.Action, Resource: d.Resource, Err: d.Err,
	}
	if e.Outcome == auth.Failed {
		switch broker.ReasonOf(d.Err) {
		case broker.NotAuthorized:
			e.Outcome = auth.Forbidden // by the gateway itself: a reserved topic, another principal's session
		case broker.BadUserNameOrPassword, broker.Banned, broker.BadAuthenticationMethod, broker.ClientIDNotValid:
			e.Outcome = auth.Refused
		default:
		}
	}
	if d.Action == auth.Connect && d.Principal == "" && e.Outcome == auth.Forbidden {
		e.Outcome = auth.Refused // nobody is known who could be forbidden anything
	}
	if d.RemoteAddr != nil {
		e.RemoteAddr = d.RemoteAddr.String()
	}
	a.audit(e)
}
