package userpool

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/thinghub/thinghub/auth/internal/audit"
)

// A MessageKind says why a message is sent.
type MessageKind string

// The kinds of messages, by the names of their triggers.
const (
	// MessageSignUp has the code that confirms a sign-up.
	MessageSignUp MessageKind = "CustomMessage_SignUp"
	// MessageResend has a new one.
	MessageResend MessageKind = "CustomMessage_ResendCode"
	// MessageForgot has the code for a new password.
	MessageForgot MessageKind = "CustomMessage_ForgotPassword"
	// MessageVerify has the code that verifies an attribute, after a change of it
	// (MessageUpdate) or when it was asked for.
	MessageVerify MessageKind = "CustomMessage_VerifyUserAttribute"
	MessageUpdate MessageKind = "CustomMessage_UpdateUserAttribute"
	// MessageInvite has the temporary password of a user that an administrator made.
	MessageInvite MessageKind = "CustomMessage_AdminCreateUser"
)

// A Message is to be sent to a user.
type Message struct {
	Kind MessageKind
	// Pool is the id of the pool, PoolName its name, Client the id of the client, "" if
	// there is none.
	Pool, PoolName, Client string
	// Username and Sub are the user's.
	Username, Sub string
	// Medium is "EMAIL" or "SMS", To an e-mail address or a phone number.
	Medium, To string
	// Code is the code, or the temporary password. It is a secret.
	Code string
	// Subject and Text are what to send, with the code in it; SMS has no subject.
	Subject, Text string
	// Attributes of the user, for templates. They must not be modified.
	Attributes map[string]string
	// Metadata is the ClientMetadata of the request.
	Metadata map[string]string
}

// A Sender sends messages. It should queue and return at once: what waits tells by its
// time who is known. An error is logged, and the caller gets ErrCodeDelivery where that does
// not tell either. Safe for concurrent use.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// An Outbox is a Sender for tests and development: it keeps the latest messages and
// sends nothing. The zero value is ready.
type Outbox struct {
	// Sent, if it is not nil, is told of each message, to show the codes to a developer.
	Sent func(m Message)

	mu   sync.Mutex
	list []Message
}

const outboxKeeps = 1000

// Send keeps a message.
func (o *Outbox) Send(_ context.Context, m Message) error {
	o.mu.Lock()
	if len(o.list) == outboxKeeps {
		o.list = append(o.list[:0], o.list[1:]...)
	}
	o.list = append(o.list, m)
	o.mu.Unlock()
	if o.Sent != nil {
		o.Sent(m)
	}
	return nil
}

// Last returns the latest message to an address or a number.
func (o *Outbox) Last(to string) (Message, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.list) - 1; i >= 0; i-- {
		if o.list[i].To == to {
			return o.list[i], true
		}
	}
	return Message{}, false
}

// Len returns how many messages are kept.
func (o *Outbox) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.list)
}

var errNoSender = fault(ErrCodeDelivery, "No messages can be sent: Config.Sender is not set.")

// send fills in the text of a message, asks the hook and sends it.
func (s *Service) send(ctx context.Context, p *poolRecord, m Message) error {
	if s.cfg.Sender == nil {
		return errNoSender
	}
	m.Pool, m.PoolName = p.id, p.Name
	m.Subject, m.Text = p.texts(m)
	if err := ask(ctx, "CustomMessage", s.cfg.Hooks.CustomMessage, &m); err != nil {
		return err
	}
	if err := s.cfg.Sender.Send(audit.Apart(ctx), m); err != nil {
		s.cfg.Logger.Warn("userpool: a message was not sent", "pool", p.id, "kind", m.Kind, "medium", m.Medium, "err", err)
		return fault(ErrCodeDelivery, "The message could not be delivered.")
	}
	return nil
}

// texts are the words of a message: the pool's, or plain ones.
func (p *poolRecord) texts(m Message) (subject, text string) {
	t := p.Settings
	subject, text = "Your verification code", "Your verification code is {####}."
	switch {
	case m.Kind == MessageInvite:
		subject, text = "Your temporary password", "Your user name is {username} and your temporary password is {####}."
		if i := t.AdminCreateUserConfig.InviteMessageTemplate; i != nil {
			subject, text = pick(i.EmailSubject, subject), pick(i.EmailMessage, text)
			if m.Medium == "SMS" {
				text = pick(i.SMSMessage, "Your user name is {username} and your temporary password is {####}.")
			}
		}
	case m.Medium == "SMS":
		text = pick(t.SmsVerificationMessage, text)
	default:
		subject, text = pick(t.EmailVerificationSubject, subject), pick(t.EmailVerificationMessage, text)
	}
	if m.Medium == "SMS" {
		subject = ""
	}
	return subject, strings.NewReplacer("{####}", m.Code, "{username}", m.Username).Replace(text)
}

func pick(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// masked is an address of which nobody learns who does not know it.
func masked(to string) string {
	if name, host, ok := strings.Cut(to, "@"); ok && name != "" && host != "" {
		return fmt.Sprintf("%s***@%s***", first(name), first(host))
	}
	if len(to) > 4 {
		return "+*******" + to[len(to)-4:]
	}
	return "***"
}

func first(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

// fakeDelivery is what is said of a message to a user that is not there: always the same
// for a name.
func (p *poolRecord) fakeDelivery(name string) *CodeDelivery {
	d := p.digest("delivery", p.fold(name))
	switch {
	case phone.MatchString(name):
		return &CodeDelivery{"phone_number", "SMS", masked(name)}
	case email.MatchString(name):
		return &CodeDelivery{"email", "EMAIL", masked(name)}
	case len(p.Settings.AutoVerifiedAttributes) == 1 && p.Settings.AutoVerifiedAttributes[0] == "phone_number":
		return &CodeDelivery{"phone_number", "SMS", fmt.Sprintf("+*******%04d", (int(d[0])<<8|int(d[1]))%10_000)}
	default:
		return &CodeDelivery{"email", "EMAIL", string(lower[int(d[0])%26]) + "***@" + string(lower[int(d[1])%26]) + "***"}
	}
}
