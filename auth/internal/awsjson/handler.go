package awsjson

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/sigv4"
)

// An Operation answers the body of a request. Its error becomes the answer if it is one of
// those that Handler knows.
type Operation func(ctx context.Context, r *http.Request, body []byte) (any, error)

// Handler serves operations.
type Handler struct {
	// Prefix is what the target begins with, before the dot and the operation's name.
	Prefix     string
	Operations map[string]Operation
	// MaxBody bounds the body, in bytes.
	MaxBody int64
	// Invalid is the type of errors about the form of the input.
	Invalid string
	// Logger is told of what is nobody's fault outside.
	Logger *slog.Logger
	// Room tells how operations end.
	Room *audit.Room
}

// An Exception is an error of a room below auth that knows its type.
type Exception interface {
	error
	Exception() string
}

// A Failure is an error as it is answered.
type Failure struct {
	Status        int
	Type, Message string
}

func (f Failure) Error() string { return f.Type + ": " + f.Message }

// Of makes an operation of a function from an input to an output.
func Of[I, O any](invalid string, f func(ctx context.Context, r *http.Request, body []byte, in I) (O, error)) Operation {
	return func(ctx context.Context, r *http.Request, body []byte) (any, error) {
		var in I
		if err := decode(body, &in); err != nil {
			return nil, Failure{http.StatusBadRequest, invalid, err.Error()}
		}
		return f(ctx, r, body, in)
	}
}

// ServeHTTP answers a request. Pages of any origin may ask: there are no cookies, what
// counts is in the request itself.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	AllowOrigins(w.Header())
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var b [16]byte
	_, _ = rand.Read(b[:])
	w.Header().Set("X-Amzn-Requestid", hex.EncodeToString(b[:]))
	out, err := h.answer(w, r)
	if err != nil {
		f := h.failure(err)
		if f.Status >= http.StatusInternalServerError {
			h.Logger.Error("a request failed", "target", r.Header.Get("X-Amz-Target"), "err", err)
		}
		w.Header().Set("X-Amzn-Errortype", f.Type)
		h.write(w, f.Status, map[string]string{"__type": f.Type, "message": f.Message})
		return
	}
	h.write(w, http.StatusOK, out)
}

// AllowOrigins lets pages of any origin ask.
func AllowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Amz-Content-Sha256, X-Amz-Date, X-Amz-Security-Token, X-Amz-Target, X-Amz-User-Agent, Amz-Sdk-Invocation-Id, Amz-Sdk-Request")
	h.Set("Access-Control-Expose-Headers", "X-Amzn-Requestid, X-Amzn-Errortype, Date")
	h.Set("Access-Control-Max-Age", "86400")
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		return nil, Failure{http.StatusMethodNotAllowed, "UnknownOperationException", "expected POST"}
	}
	targets := r.Header.Values("X-Amz-Target")
	if len(targets) != 1 {
		return nil, Failure{http.StatusBadRequest, "UnknownOperationException", "expected one header X-Amz-Target"}
	}
	prefix, name, _ := strings.Cut(targets[0], ".")
	do := h.Operations[name]
	if prefix != h.Prefix || do == nil {
		name = ""
	}
	return h.Room.HTTP(r, name, func(ctx context.Context, _ *audit.Note) (any, error) {
		if name == "" {
			return nil, Failure{http.StatusBadRequest, "UnknownOperationException", fmt.Sprintf("X-Amz-Target is %.100q, expected %s.OPERATION with an operation that is known here", targets[0], h.Prefix)}
		}
		body, err := h.body(w, r)
		if err != nil {
			return nil, err
		}
		return do(ctx, r, body)
	})
}

// body reads the body of a request.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-amz-json-1.1" {
		return nil, Failure{http.StatusUnsupportedMediaType, "SerializationException", fmt.Sprintf("Content-Type is %.100q, expected application/x-amz-json-1.1", r.Header.Get("Content-Type"))}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, Failure{http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", fmt.Sprintf("the body is larger than %d bytes", h.MaxBody)}
	}
	if err != nil {
		return nil, Failure{http.StatusBadRequest, "SerializationException", "the body ended early"}
	}
	return body, nil
}

// Denial is what is said to who may not do something. Which statement decided is for the
// host to know.
func Denial(err error) string {
	if d, ok := errors.AsType[*auth.Denied](err); ok {
		return fmt.Sprintf("Not authorized to perform %s on resource %.2048q", d.Action, d.Resource)
	}
	return "Not authorized"
}

// failure is what an error is to who asked.
func (h *Handler) failure(err error) Failure {
	if f, ok := errors.AsType[Failure](err); ok {
		return f
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return Failure{e.Status, e.Code, e.Message}
	}
	if e, ok := errors.AsType[Exception](err); ok {
		f := Failure{http.StatusBadRequest, e.Exception(), e.Error()}
		if m, ok := e.(interface{ Public() (int, string) }); ok {
			f.Status, f.Message = m.Public()
		}
		return f
	}
	switch {
	case errors.Is(err, auth.ErrDenied):
		return Failure{http.StatusBadRequest, "AccessDeniedException", Denial(err)}
	case errors.Is(err, auth.ErrUnrecognised):
		return Failure{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	case errors.Is(err, auth.ErrBadCredentials), errors.Is(err, auth.ErrNotAuthorized), errors.Is(err, auth.ErrBanned):
		return Failure{http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid."}
	case errors.Is(err, auth.ErrUnavailable), errors.Is(err, auth.ErrConflict):
		return Failure{http.StatusServiceUnavailable, "ServiceUnavailableException", "too much is going on; try again"}
	}
	return Failure{http.StatusInternalServerError, "InternalErrorException", "An internal error occurred"}
}

func (h *Handler) write(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		h.Logger.Error("an answer cannot be written", "err", err)
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString("{}")
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Cache-Control", "no-store") // tokens and secrets
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // who does not read it does not want it
}
