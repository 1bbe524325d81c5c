package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// An answer is a response with its request id.
type answer struct {
	http.ResponseWriter
	id string
}

// json answers with a value.
func (w *answer) json(v any) error {
	body, err := marshal(v)
	if err != nil {
		return err
	}
	w.body(http.StatusOK, body)
	return nil
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// body answers with JSON text. Its length is told: SDKs read it as a stream.
func (w *answer) body(status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // who does not read it does not want it
}

// fail answers with an error, in the header and in the body: a proxy may drop one.
func (w *answer) fail(f failure) {
	w.Header().Set("X-Amzn-Errortype", f.kind)
	members := map[string]any{"message": f.message, "__type": f.kind, "traceId": w.id}
	maps.Copy(members, f.more)
	body, _ := marshal(members) // texts only
	w.body(f.status, body)
}
