package api

import (
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
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.body(http.StatusOK, body)
	return nil
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
	body, _ := json.Marshal(members)
	w.body(f.status, body)
}
