package actions

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// A Host is what a hub provides to its actions. What is nil makes the actions that need
// it an error when a rule is put.
type Host struct {
	// Publisher is for [Republish].
	Publisher Publisher
	// Shadows is for [Shadow].
	Shadows ShadowUpdater
	// Web is for [HTTP].
	Web *Web
	// Files is for [File].
	Files *Files
	// Logger is for [Log]. Nil: slog.Default().
	Logger *slog.Logger
}

// A Publisher sends a message into the hub, where it is like any other. An error is
// retried unless it is [Permanent]: a topic that may not be published to ought to be.
type Publisher interface {
	Publish(ctx context.Context, p *Publication) error
}

// A Publication is a message that an action publishes. It is valid during the call.
type Publication struct {
	Topic   string
	Payload []byte
	QoS     byte
	// Rule is the rule that it comes from, Role the ARN of the role that the action is to
	// have, empty if it names none.
	Rule, Role string
	// Hops is one more than that of the message that led to it.
	Hops uint8

	// The MQTT 5 properties; what is empty is absent.
	PayloadFormat   PayloadFormat
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	// Expiry is how long the message may be delivered, whole seconds; 0: for ever.
	Expiry         time.Duration
	UserProperties []Property
}

// A Property is a user property of MQTT 5.
type Property struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A ShadowUpdater changes a device shadow; name is "" for the classic one. document is
// an update as devices send it, {"state":{...}}, valid during the call. An error is
// retried unless it is [Permanent], as one ought to be that says that the document is
// wrong.
type ShadowUpdater interface {
	UpdateShadow(ctx context.Context, thing, name string, document []byte) error
}

// Web is how actions reach web services.
type Web struct {
	// Client sends the requests. [NewClient] makes one that is careful.
	Client *http.Client
	// Enabled is asked before each request whether messages may go to the destination
	// that was confirmed under this URL; the error says why not. Nil: they may.
	Enabled func(confirmationURL string) error
	// Signer signs requests of actions with auth.sigv4. Nil: there can be none.
	Signer Signer
	// Plain allows URLs that begin with http://.
	Plain bool
}

// A Signer signs a request with Signature Version 4, in the name of a.RoleARN: it sets
// headers of r. body is what r will send.
type Signer interface {
	Sign(ctx context.Context, r *http.Request, body []byte, a SigV4) error
}
