package custom

import (
	"context"
)

// A TestRequest is what a client would present.
type TestRequest struct {
	// Token and TokenSignature are needed unless signing is disabled; the signature is
	// base64.
	Token, TokenSignature string
	HTTP                  *HTTPData
	MQTT                  *MQTTData
	TLS                   *TLSData
}

// TestInvokeAuthorizer asks an authorizer as for a client, active or not. An answer that
// refuses has nothing but IsAuthenticated false. The error is of kind ErrNotFound, of
// kind ErrInvalid if the token is not signed, of kind ErrInvalidResponse if the function
// failed or its answer breaks a rule, or wraps auth.ErrUnavailable.
func (s *Service) TestInvokeAuthorizer(ctx context.Context, name string, t TestRequest) (*Response, error) {
	e, err := s.get(ctx, name)
	if err != nil {
		return nil, err
	}
	r := &Request{
		Token: t.Token, ProtocolData: ProtocolData{TLS: t.TLS, HTTP: t.HTTP, MQTT: t.MQTT}, ConnectionMetadata: ConnectionMetadata{ID: newID()},
	}
	for _, p := range [...]struct {
		name  string
		there bool
	}{{"tls", t.TLS != nil}, {"http", t.HTTP != nil}, {"mqtt", t.MQTT != nil}} {
		if p.there {
			r.Protocols = append(r.Protocols, p.name)
		}
	}
	if !e.Value.Unsigned {
		if _, ok := e.Value.signed([]string{t.Token}, []string{t.TokenSignature}); !ok || t.Token == "" {
			return nil, invalid("tokenSignature", t.TokenSignature, "Member must be the signature of the token by one of the keys of the authorizer")
		}
		r.SignatureVerified = true
	}
	return s.call(ctx, e.Value.Function, r)
}
