package search

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/thinghub/thinghub/actions"
)

// maxReason bounds what an error repeats of what the server says.
const maxReason = 300

// A verdict is what the server says about a document.
type verdict struct {
	Status int      `json:"status"`
	Error  *problem `json:"error"`
}

type problem struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	Cause  *struct {
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

// UnmarshalJSON also reads a problem that is a text.
func (p *problem) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &p.Reason)
	}
	type plain problem
	return json.Unmarshal(data, (*plain)(p))
}

func (p *problem) String() string {
	if p == nil {
		return ""
	}
	s := p.Type
	for _, more := range [...]string{p.Reason, p.cause()} {
		if more != "" && s != "" {
			s += ": "
		}
		s += more
	}
	return printable(clip(s, maxReason))
}

func (p *problem) cause() string {
	if p.Cause == nil {
		return ""
	}
	return p.Cause.Reason
}

// printable makes one line of what the server says, which may repeat what a device says.
func printable(s string) string {
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

var errAnswer = errors.New("the answer is not one to _bulk")

// parse reads the answer for n documents. If all is well with each it returns nil.
func parse(answer []byte, n int) ([]verdict, error) {
	// Nearly always it is, and that stands at the beginning.
	if e := gjson.GetBytes(answer, "errors"); e.Type == gjson.False && json.Valid(answer) {
		return nil, nil
	}
	var read struct {
		Errors *bool                `json:"errors"`
		Items  []map[string]verdict `json:"items"`
	}
	if err := json.Unmarshal(answer, &read); err != nil || read.Errors == nil {
		return nil, errAnswer
	}
	if !*read.Errors {
		return nil, nil
	}
	if len(read.Items) != n {
		return nil, fmt.Errorf("%w: it has %d items for %d documents", errAnswer, len(read.Items), n)
	}
	verdicts := make([]verdict, n)
	for i, it := range read.Items {
		if len(it) != 1 {
			return nil, fmt.Errorf("%w: item %d has %d operations", errAnswer, i, len(it))
		}
		for _, v := range it {
			if v.Status < 100 || v.Status > 999 {
				return nil, fmt.Errorf("%w: the status of item %d is %d", errAnswer, i, v.Status)
			}
			verdicts[i] = v
		}
	}
	return verdicts, nil
}

// judge makes the error of an event of what the server says about its document.
func (a *Action) judge(v verdict) error {
	switch {
	case v.Status/100 == 2, v.Status == http.StatusConflict:
		return nil // or it is there, or a newer one
	case a.passes(v):
		return actions.SinkWorks(v.err()) // other indices have no reason to wait
	case v.Status/100 == 5, v.Status == http.StatusTooManyRequests, v.Status == http.StatusRequestTimeout:
		return v.err()
	}
	return actions.Permanent(v.err())
}

// passes reports whether a refusal is one of an index that somebody works on.
func (a *Action) passes(v verdict) bool {
	if v.Error == nil {
		return false
	}
	switch v.Error.Type {
	case "cluster_block_exception", "index_closed_exception":
		return true
	case "index_not_found_exception":
		return !templated(a.Index) // else a device may have chosen it
	}
	return false
}

func (v verdict) err() error {
	if v.Error == nil {
		return fmt.Errorf("the document is answered %s", status(v.Status))
	}
	return fmt.Errorf("the document is answered %s: %s", status(v.Status), v.Error)
}

func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// A requestError is what the server says about a request as a whole.
type requestError struct {
	status  int
	problem *problem
}

// refusal reads it. What is in no known form is not repeated: it may be what a proxy says,
// with parts of the request.
func refusal(code int, answer []byte) *requestError {
	var read struct {
		Error *problem `json:"error"`
	}
	if json.Unmarshal(answer, &read) != nil || read.Error == nil || read.Error.Type == "" {
		read.Error = nil
	}
	return &requestError{code, read.Error}
}

func (e *requestError) Error() string {
	if e.problem == nil {
		return "the server answers " + status(e.status)
	}
	return "the server answers " + status(e.status) + ": " + e.problem.String()
}

// refused reports whether it may be the fault of a document. A request that went to a
// wrong path, or to a server that is no search server, is answered 400 in other words.
func (e *requestError) refused() bool {
	return e.status == http.StatusBadRequest && e.problem != nil || e.status == http.StatusRequestEntityTooLarge
}

// aboutType reports whether the server misses the types of documents, or does not want
// them.
func (e *requestError) aboutType(missing bool) bool {
	if e.problem == nil {
		return false
	}
	if missing {
		return strings.Contains(e.problem.Reason, "type is missing")
	}
	return strings.Contains(e.problem.Reason, "[_type]")
}
