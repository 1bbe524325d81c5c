package policy

// A half is one of several sets of policies that must all allow.
type half struct {
	b *Bound
	// only: the half counts for the actions of identityActions alone.
	only bool
}

// identityActions are the actions for which an authenticated Cognito identity needs a
// policy of its own beside its role.
var identityActions = map[string]bool{
	"iot:connect": true, "iot:publish": true, "iot:retainpublish": true, "iot:subscribe": true, "iot:receive": true,
	"iot:getthingshadow": true, "iot:updatethingshadow": true, "iot:deletethingshadow": true,
}

// And joins sets of policies of which each must allow: a role with its session policy.
// A deny in any of them wins. It denies everything if a part is nil, or if there are no
// parts.
func And(parts ...*Bound) *Bound {
	b := &Bound{halves: make([]half, len(parts))}
	for i, p := range parts {
		b.halves[i].b = p
	}
	return b
}

// AndIdentity joins the policies of a Cognito role with those attached to an
// authenticated identity: connecting, publishing, subscribing, receiving and the
// thing's shadow by its own actions must be allowed by both, other operations by the
// role. For unauthenticated identities the role alone counts. Either part denies if it
// is nil.
func AndIdentity(role, identity *Bound) *Bound {
	return &Bound{halves: []half{{b: role}, {b: identity, only: true}}}
}

// decideHalves asks the halves that count. The action is in lower case, empty for a hot
// one.
func (b *Bound) decideHalves(action string, ask func(*Bound) Decision) Decision {
	var d Decision
	denied := len(b.halves) == 0
	for i := range b.halves {
		h := &b.halves[i]
		if h.only && action != "" && !identityActions[action] {
			continue
		}
		switch one := ask(h.b); one.Outcome {
		case ExplicitDeny:
			return one
		case Allowed:
			if d.Statement == nil {
				d = one
			}
		default:
			denied = true
		}
	}
	if denied {
		return Decision{}
	}
	return d
}
