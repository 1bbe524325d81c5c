package userpool

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// A state is how far a sign-in has come. It is kept nowhere: the client has it, sealed,
// as Session or SECRET_BLOCK, so any hub can go on.
type state struct {
	// ID becomes the origin of the login, of which there can be one only: so a session
	// that has led to tokens does not do so again.
	ID      []byte `json:"i"`
	Client  string `json:"c"`
	Step    string `json:"s"` // the name of the challenge
	Expires int64  `json:"e"` // Unix seconds
	// Name is what the client called the user by, Key what it is kept under, "" if there
	// is none. Sub, Gen and Passwords are as they were.
	Name      string `json:"n"`
	Key       string `json:"k,omitempty"`
	Sub       string `json:"u,omitempty"`
	Gen       int64  `json:"g,omitempty"`
	Passwords int64  `json:"p,omitempty"`
	Flow      string `json:"f"`

	A      []byte `json:"A,omitempty"` // SRP
	B      []byte `json:"b,omitempty"`
	UserID string `json:"I,omitempty"`

	Secret []byte            `json:"t,omitempty"` // of a software token to be verified
	Done   []ChallengeResult `json:"d,omitempty"` // CUSTOM_AUTH
	Hidden map[string]string `json:"h,omitempty"`
	Meta   string            `json:"m,omitempty"`

	// Pages says that it is a sign-in at Pages, and for how many seconds their proof is
	// good.
	Pages int64 `json:"w,omitempty"`
}

const (
	mostSession = 8 << 10
	// sessionStep is what sealed states are filled up to: their length must not tell
	// whether there is such a user.
	sessionStep = 1 << 10
)

// sealed writes a state as text.
func (s *Service) sealed(ctx context.Context, p *poolRecord, c *clientRecord, st state) (string, error) {
	st.Expires = s.cfg.Now().Add(time.Duration(c.Settings.AuthSessionValidity) * time.Minute).Unix()
	return s.seal(ctx, p, sealSession, c.id, st, sessionStep)
}

// What is sealed, so that one is not taken for another.
const (
	sealSession = "session"
	sealProof   = "proof"
	sealCode    = "code"
)

// errForged and errChanged are errBadSession with a reason.
var (
	errForged  = errBadSession.because("it is not one that was given to the client for this step")
	errChanged = errBadSession.because("the user was changed or deleted meanwhile")
)

// seal writes a value as text that only the pool can read. It is filled up to a multiple
// of step.
func (s *Service) seal(ctx context.Context, p *poolRecord, kind, client string, v any, step int) (string, error) {
	k, err := s.keys.signing(ctx, p.id)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("userpool: %s: %w", kind, err)
	}
	b = append(b, bytes.Repeat([]byte{' '}, (step-len(b)%step)%step)...)
	head := binary.BigEndian.AppendUint32(nil, uint32(k.number))
	head = append(head, byte(len(client)))
	head = append(head, client...)
	out := k.seal.Seal(head, nil, b, []byte(kind+" "+p.id+string(head)))
	return encodingOf(kind).EncodeToString(out), nil
}

// encodingOf is how something sealed is written: proofs and codes stand in cookies and
// URLs.
func encodingOf(kind string) *base64.Encoding {
	if kind == sealSession {
		return base64.StdEncoding
	}
	return base64.RawURLEncoding
}

// opened takes what is sealed apart: the number of the key, the client, and the box. That
// the client is in clear lets operations without ClientId find it.
func opened(kind, text string) (number int, client string, head, box []byte, ok bool) {
	b, err := encodingOf(kind).Strict().DecodeString(text)
	if err != nil || len(text) > mostSession || len(b) < 5 || len(b) < 5+int(b[4]) {
		return 0, "", nil, nil, false
	}
	n := 5 + int(b[4])
	return int(binary.BigEndian.Uint32(b)), string(b[5:n]), b[:n:n], b[n:], true
}

// unseal reads a value that was sealed for a client. It is errForged if it was not.
func (s *Service) unseal(ctx context.Context, p *poolRecord, kind, client, text string, v any) error {
	number, of, head, box, ok := opened(kind, text)
	if !ok || of != client {
		return errForged
	}
	k, err := s.keys.byNumber(ctx, p.id, number)
	if err != nil {
		return err
	}
	if k == nil {
		return errForged
	}
	plain, err := k.seal.Open(nil, nil, box, []byte(kind+" "+p.id+string(head)))
	if err != nil || json.Unmarshal(plain, v) != nil {
		return errForged
	}
	return nil
}

// unsealed reads a state that was made for a step of a client.
func (s *Service) unsealed(ctx context.Context, p *poolRecord, client, step, text string) (st state, err error) {
	if err := s.unseal(ctx, p, sealSession, client, text, &st); err != nil {
		return state{}, err
	}
	if st.Client != client || st.Step != step || len(st.ID) != 16 {
		return state{}, errForged
	}
	if s.cfg.Now().Unix() >= st.Expires {
		return state{}, errOldSession
	}
	return st, nil
}

// resumed is unsealed with the user, who must be as it was then.
func (s *Service) resumed(ctx context.Context, p *poolRecord, client, step, text string) (state, *user, error) {
	st, err := s.unsealed(ctx, p, client, step, text)
	if err != nil {
		return st, nil, err
	}
	if n := s.room.Of(ctx); n.User == "" {
		n.User = st.Name // clipped when it was taken
	}
	u, err := s.byKey(ctx, p, st.Key)
	if err != nil {
		return st, nil, err
	}
	if u == nil || u.Sub != st.Sub || u.Gen != st.Gen || u.Passwords != st.Passwords {
		return st, nil, errChanged
	}
	if u.Disabled {
		return st, nil, errDisabled
	}
	return st, u, nil
}

// about makes a state one of a user.
func (st *state) about(u *user) {
	st.Key, st.Sub, st.Gen, st.Passwords = u.key, u.Sub, u.Gen, u.Passwords
}
