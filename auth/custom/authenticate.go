package custom

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// Authenticate asks the authorizer that the client names, or the default one. The error
// is auth.ErrUnrecognised if there is none, wraps auth.ErrNotAuthorized if the
// authorizer is not there or inactive, the token is not signed, or the function refuses,
// and is another one if the function fails.
func (s *Service) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	p := present(c)
	name, byDefault := p.value(nameParam), false
	if name == "" {
		var err error
		if name, err = s.defaultName(ctx); err != nil {
			return nil, fmt.Errorf("custom: look up the default authorizer: %w", err)
		}
		if name == "" {
			return nil, auth.ErrUnrecognised
		}
		byDefault = true
	}
	e, err := s.active(ctx, name)
	if byDefault && errors.Is(err, auth.ErrNotAuthorized) {
		return nil, auth.ErrUnrecognised // there is none that could be asked
	}
	if err != nil {
		return nil, err
	}
	r := newRequest(c)
	if key := e.Value.TokenKeyName; key != "" {
		tokens := p.find(key)
		if byDefault && len(tokens) == 0 && !e.Value.Unsigned {
			return nil, auth.ErrUnrecognised
		}
		if err := e.Value.verify(r, name, tokens, p.find(signatureParam)); err != nil {
			return nil, err
		}
	}
	if c.ProtocolVersion == 0 && e.Value.Caches {
		return s.cached(ctx, c, &e, r)
	}
	return s.admit(ctx, &e, r, c.ProtocolVersion != 0)
}

// active returns the authorizer if clients may use it. What is refused wraps
// auth.ErrNotAuthorized.
func (s *Service) active(ctx context.Context, name string) (records.Entry[record], error) {
	e, err := s.get(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound):
		return e, fmt.Errorf("%w: %w", auth.ErrNotAuthorized, err)
	case err != nil:
		return e, fmt.Errorf("custom: look up the authorizer %q: %w", shorten(name), err)
	case !e.Value.Active:
		return e, fmt.Errorf("%w: the authorizer %q is INACTIVE", auth.ErrNotAuthorized, name)
	}
	return e, nil
}

// verify puts the token into the request, checking its signature if it must have one.
func (r *record) verify(req *Request, name string, tokens, signatures []string) error {
	if r.Unsigned {
		if len(tokens) > 0 {
			req.Token = tokens[0]
		}
		return nil
	}
	switch {
	case len(tokens) == 0:
		return fmt.Errorf("%w: the authorizer %q wants a token as %q, there is none", auth.ErrNotAuthorized, name, r.TokenKeyName)
	case len(signatures) == 0:
		return fmt.Errorf("%w: the authorizer %q wants the signature of the token as %s, there is none", auth.ErrNotAuthorized, name, signatureParam)
	}
	token, ok := r.signed(tokens, signatures)
	if !ok {
		return fmt.Errorf("%w: the token for the authorizer %q is not signed by one of its keys", auth.ErrNotAuthorized, name)
	}
	req.Token, req.SignatureVerified = token, true
	return nil
}

// newRequest tells what a client presented.
func newRequest(c *auth.Credentials) *Request {
	r := &Request{ConnectionMetadata: ConnectionMetadata{ID: newID()}}
	if c.TLS != nil {
		r.Protocols = append(r.Protocols, "tls")
		r.ProtocolData.TLS = &TLSData{ServerName: c.TLS.ServerName}
	}
	if h := c.Request; h != nil {
		r.Protocols = append(r.Protocols, "http")
		d := &HTTPData{Headers: map[string]string{}}
		for name, values := range h.Header {
			d.Headers[name] = strings.Join(values, ",")
		}
		if h.Host != "" {
			d.Headers["Host"] = h.Host
		}
		if h.URL != nil && h.URL.RawQuery != "" {
			d.QueryString = "?" + h.URL.RawQuery
		}
		r.ProtocolData.HTTP = d
	}
	if c.ProtocolVersion != 0 {
		r.Protocols = append(r.Protocols, "mqtt")
		r.ProtocolData.MQTT = &MQTTData{Username: c.Username, ClientID: c.ClientID}
		if c.Password != nil {
			r.ProtocolData.MQTT.Password = append([]byte{}, c.Password...)
		}
	}
	return r
}

// newID makes a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// admit asks the function who that is.
func (s *Service) admit(ctx context.Context, e *records.Entry[record], r *Request, lasting bool) (*auth.Identity, error) {
	answer, err := s.ask(ctx, e, r)
	if err != nil {
		return nil, err
	}
	name := e.ID[0]
	id := &auth.Identity{
		Principal: answer.PrincipalID, Kind: auth.Custom, Grant: grant(name, answer),
		Attributes: map[string]string{"authorizer": name},
		Expires:    s.cfg.Now().Add(seconds(answer.DisconnectAfterInSeconds)),
	}
	if lasting {
		id.Grant.Refresh = s.refresher(name, id.Principal, r)
	}
	return id, nil
}

// ask calls the function of an authorizer. Who is refused gets an error that wraps
// auth.ErrNotAuthorized.
func (s *Service) ask(ctx context.Context, e *records.Entry[record], r *Request) (*Response, error) {
	answer, err := s.call(ctx, e.Value.Function, r)
	if err != nil {
		return nil, fmt.Errorf("custom: authorizer %q: %w", e.ID[0], err)
	}
	if !answer.IsAuthenticated {
		return nil, fmt.Errorf("%w: the authorizer %q says so", auth.ErrNotAuthorized, e.ID[0])
	}
	return answer, nil
}

func grant(name string, answer *Response) *auth.Grant {
	g := &auth.Grant{Every: seconds(answer.RefreshAfterInSeconds)}
	for i, d := range answer.PolicyDocuments {
		g.Policies = append(g.Policies, auth.Document{Name: fmt.Sprintf("authorizer %s, document %d", name, i+1), Text: string(d)})
	}
	return g
}

// refresher asks an authorizer again, as it is by then.
func (s *Service) refresher(name, principal string, r *Request) func(context.Context) (*auth.Grant, error) {
	var refresh func(context.Context) (*auth.Grant, error)
	refresh = func(ctx context.Context) (*auth.Grant, error) {
		e, err := s.active(ctx, name)
		if err != nil {
			return nil, err
		}
		answer, err := s.ask(ctx, &e, r)
		if err != nil {
			return nil, err
		}
		if answer.PrincipalID != principal {
			return nil, fmt.Errorf("%w: the authorizer %q names %q now, it was %q", auth.ErrNotAuthorized, name, answer.PrincipalID, principal)
		}
		g := grant(name, answer)
		g.Refresh = refresh
		return g, nil
	}
	return refresh
}
