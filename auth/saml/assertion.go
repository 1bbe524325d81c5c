package saml

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/crewjam/saml"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
	"github.com/thinghub/thinghub/auth/sts"
)

// The attributes that AWS has defined.
const (
	AttributeRole            = "https://aws.amazon.com/SAML/Attributes/Role"
	AttributeRoleSessionName = "https://aws.amazon.com/SAML/Attributes/RoleSessionName"
	AttributeSessionDuration = "https://aws.amazon.com/SAML/Attributes/SessionDuration"
)

const formats = "urn:oasis:names:tc:SAML:2.0:nameid-format:"

// An Assertion is what a proved assertion says. It must not be modified.
type Assertion struct {
	// ID is its own. Issuer is the entity id of the identity provider.
	ID, Issuer string
	// Subject is the NameID; SubjectType its format: "persistent", "transient", or the
	// whole URI of another one, "" if it says none. Qualifier is its NameQualifier.
	Subject, SubjectType, Qualifier string
	// Audience is Config.EntityID and whoever else it is for, Recipient is Config.ACSURL.
	Audience  []string
	Recipient string
	// Attributes are the values of attributes by their names, in their order.
	Attributes map[string][]string
	// Issued is when it was made, Expires when it does not count any more, SessionExpires
	// when the identity provider wants the session to end: zero if it does not say.
	Issued, Expires, SessionExpires time.Time
	// InResponseTo is the id of the request that it answers, "" for none.
	InResponseTo string
}

func newAssertion(a *saml.Assertion, recipient string) *Assertion {
	out := &Assertion{ID: a.ID, Issuer: a.Issuer.Value, Recipient: recipient, Issued: a.IssueInstant.UTC(), Attributes: map[string][]string{}}
	if n := a.Subject.NameID; n != nil {
		out.Subject, out.SubjectType, out.Qualifier = n.Value, n.Format, n.NameQualifier
		for _, short := range []string{"persistent", "transient"} {
			if n.Format == formats+short {
				out.SubjectType = short
			}
		}
	}
	for i := range a.Conditions.AudienceRestrictions {
		for _, v := range a.Conditions.AudienceRestrictions[i].AllAudiences() {
			out.Audience = append(out.Audience, v.Value)
		}
	}
	out.Expires = a.Conditions.NotOnOrAfter.UTC()
	for _, c := range a.Subject.SubjectConfirmations {
		if d := c.SubjectConfirmationData; d != nil && d.Recipient == recipient {
			out.InResponseTo = d.InResponseTo
			if out.Expires.IsZero() || d.NotOnOrAfter.Before(out.Expires) {
				out.Expires = d.NotOnOrAfter.UTC()
			}
		}
	}
	for _, s := range a.AuthnStatements {
		if t := s.SessionNotOnOrAfter; t != nil && (out.SessionExpires.IsZero() || t.Before(out.SessionExpires)) {
			out.SessionExpires = t.UTC()
		}
	}
	for _, s := range a.AttributeStatements {
		for _, at := range s.Attributes {
			for _, v := range at.Values {
				if !v.Nil {
					out.Attributes[at.Name] = append(out.Attributes[at.Name], v.Value)
				}
			}
		}
	}
	return out
}

// STS is what it says for AssumeRoleWithSAML. The error, which wraps
// auth.ErrBadCredentials, says that an attribute is there twice, or that SessionDuration is
// no number of seconds.
func (a *Assertion) STS() (*sts.Assertion, error) {
	out := &sts.Assertion{
		Issuer: a.Issuer, Subject: a.Subject, SubjectType: a.SubjectType, Recipient: a.Recipient, Roles: a.Attributes[AttributeRole], SessionEnds: a.SessionExpires,
	}
	var seconds string
	for _, at := range []struct {
		name string
		to   *string
	}{{AttributeRoleSessionName, &out.SessionName}, {AttributeSessionDuration, &seconds}} {
		v := a.Attributes[at.name]
		if len(v) > 1 {
			return nil, refuse(fmt.Errorf("the attribute %s has %d values, expected one", at.name, len(v)))
		}
		if len(v) == 1 {
			*at.to = strings.TrimSpace(v[0])
		}
	}
	if seconds != "" {
		n, err := strconv.ParseInt(seconds, 10, 32)
		if err != nil {
			return nil, refuse(fmt.Errorf("the attribute SessionDuration is %q, expected a number of seconds", web.Shorten(seconds, 40)))
		}
		out.SessionDuration = time.Duration(n) * time.Second
	}
	return out, nil
}

// Token is what it says for identity pools. Claims are the attributes, texts or lists of
// them. The error, which wraps auth.ErrBadCredentials, says that the subject is one that is
// somebody else the next time; allowEmail takes e-mail addresses for better than that.
func (a *Assertion) Token(allowEmail bool) (*auth.Token, error) {
	switch {
	case a.Subject == "" || strings.ContainsAny(a.Subject, "\x00\uFFFD"):
		return nil, refuse(errors.New("there is no NameID, or one that is no text"))
	case a.SubjectType == "transient":
		return nil, refuse(errors.New("the NameID is transient, expected one that stays"))
	case strings.HasSuffix(a.SubjectType, ":emailAddress") && !allowEmail:
		return nil, refuse(errors.New("the NameID is an e-mail address, which may pass to somebody else"))
	}
	t := &auth.Token{Issuer: a.Issuer, Subject: a.Subject, Audience: a.Audience, Issued: a.Issued, Expires: a.Expires, Claims: map[string]any{}}
	if a.Qualifier != "" && a.Qualifier != a.Issuer {
		t.Subject = a.Qualifier + "!" + a.Subject
	}
	if !a.SessionExpires.IsZero() {
		t.Expires = a.SessionExpires
	}
	for name, values := range a.Attributes {
		if len(values) == 1 {
			t.Claims[name] = values[0]
			continue
		}
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		t.Claims[name] = list
	}
	return t, nil
}
