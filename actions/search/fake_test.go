package search_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A fake is a server in memory that knows _bulk and is as strict as real ones are, with
// their words: TestFakeIsLikeTheServer compares it. It is for what a real one cannot be
// made to do.
type fake struct {
	*httptest.Server

	mu sync.Mutex
	// types is for Elasticsearch before 7: each document has a type.
	types bool
	// limit is how many bytes a request may have.
	limit int
	// whole, if it is set, may answer a request as a whole: a status other than 0.
	whole func(r *http.Request, ops []operation) (status int, answer string)
	// one, if it is set, may refuse a document.
	one func(op operation) *failed

	requests []request
	docs     map[string]stored // by index/id
	written  int
}

// A request is what the fake got.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         string // not compressed
	ops          []operation
}

type operation struct {
	op, index, kind, id string
	version             *int64
	source              string
}

type stored struct {
	operation
	version int64
	seq     int
}

// failed is why a document, or a request, is refused.
type failed struct {
	status     int
	typ, cause string
}

func newFake(tb testing.TB) *fake {
	f := &fake{limit: 1 << 20, docs: map[string]stored{}}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	return f
}

// set changes the fake while it runs.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// got returns the requests.
func (f *fake) got() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// doc returns the source of a document, "" if there is none.
func (f *fake) doc(index, id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.docs[index+"/"+id].source
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if len(body) > f.limit {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	ops, err := f.read(r, &body)
	f.requests = append(f.requests, request{r.Method, r.URL.EscapedPath(), r.URL.Query(), r.Header.Clone(), string(body), ops})
	if f.whole != nil {
		if status, answer := f.whole(r, ops); status != 0 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, answer)
			return
		}
	}
	if err != nil {
		var e *failed
		if !errors.As(err, &e) {
			e = &failed{http.StatusBadRequest, "illegal_argument_exception", err.Error()}
		}
		w.WriteHeader(e.status)
		if e.typ == "" { // from what is before _bulk
			_ = json.NewEncoder(w).Encode(map[string]any{"error": e.cause})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"type": e.typ, "reason": e.cause}, "status": e.status})
		return
	}
	answer := map[string]any{"took": 1}
	items, bad := make([]any, len(ops)), false
	for i, op := range ops {
		item := map[string]any{"_index": op.index, "_id": op.id}
		if e := f.write(op); e != nil {
			bad = true
			item["status"], item["error"] = e.status, map[string]any{"type": e.typ, "reason": e.cause}
		} else {
			item["status"], item["result"] = http.StatusCreated, "created"
		}
		items[i] = map[string]any{op.op: item}
	}
	answer["errors"], answer["items"] = bad, items
	_ = json.NewEncoder(w).Encode(answer)
}

func (e *failed) Error() string { return e.cause }

func invalid(format string, args ...any) error {
	return &failed{http.StatusBadRequest, "action_request_validation_exception", "Validation Failed: " + fmt.Sprintf(format, args...)}
}

// read reads a request as strictly as servers do.
func (f *fake) read(r *http.Request, body *[]byte) ([]operation, error) {
	index, isBulk := strings.CutSuffix(r.URL.Path, "/_bulk")
	index = strings.TrimPrefix(index, "/")
	switch {
	case !isBulk || strings.Contains(index, "/"):
		return nil, &failed{http.StatusBadRequest, "", "no handler found for uri [" + r.URL.Path + "]"}
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		return nil, &failed{http.StatusMethodNotAllowed, "", "Incorrect HTTP method"}
	case r.Header.Get("Content-Type") != "application/x-ndjson" && r.Header.Get("Content-Type") != "application/json":
		return nil, &failed{http.StatusNotAcceptable, "", "Content-Type header [" + r.Header.Get("Content-Type") + "] is not supported"}
	}
	for name := range r.URL.Query() {
		if !slices.Contains([]string{"filter_path", "timeout", "pipeline", "refresh"}, name) {
			return nil, fmt.Errorf("request [%s] contains unrecognized parameter: [%s]", r.URL.Path, name)
		}
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(*body))
		if err == nil {
			*body, err = io.ReadAll(z)
		}
		if err != nil {
			return nil, fmt.Errorf("not in gzip format: %w", err)
		}
	}
	switch {
	case len(*body) == 0:
		return nil, &failed{http.StatusBadRequest, "parse_exception", "request body is required"}
	case !bytes.HasSuffix(*body, []byte("\n")):
		return nil, errors.New("The bulk request must be terminated by a newline [\\n]")
	}
	var ops []operation
	lines := bufio.NewScanner(bytes.NewReader(*body))
	lines.Buffer(nil, len(*body)+1)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		op, err := f.metadata(lines.Bytes(), n, index)
		if err != nil {
			return nil, err
		}
		if !lines.Scan() {
			break // an action without a document is left out
		}
		op.source = lines.Text()
		n++
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return nil, invalid("1: no requests added;")
	}
	missing := ""
	for i, op := range ops {
		switch {
		case f.types && op.kind == "":
			missing += strconv.Itoa(i+1) + ": type is missing;"
		case len(op.id) > 512:
			return nil, invalid("1: id [%s] is too long, must be no longer than 512 bytes but was: %d;", op.id, len(op.id))
		case op.version != nil && *op.version < 0:
			return nil, invalid("1: illegal version value [%d] for version type [EXTERNAL_GTE];", *op.version)
		case op.op == "create" && op.version != nil:
			return nil, invalid("1: create operations only support internal versioning. use index instead;")
		case op.index == "":
			return nil, invalid("1: index is missing;")
		}
	}
	if missing != "" {
		return nil, invalid("%s", missing)
	}
	return ops, nil
}

// metadata reads the line before a document.
func (f *fake) metadata(line []byte, n int, index string) (operation, error) {
	malformed := fmt.Errorf("Malformed action/metadata line [%d], expected START_OBJECT or END_OBJECT", n)
	var action map[string]map[string]json.RawMessage
	if json.Unmarshal(line, &action) != nil || len(action) != 1 {
		return operation{}, malformed
	}
	for name, members := range action {
		if name != "index" && name != "create" {
			return operation{}, malformed
		}
		op := operation{op: name, index: index}
		external := false
		for member, value := range members {
			var err error
			switch member {
			case "_index":
				err = json.Unmarshal(value, &op.index)
			case "_id":
				err = json.Unmarshal(value, &op.id)
			case "version":
				err = json.Unmarshal(value, &op.version)
			case "version_type":
				external = string(value) == `"external_gte"`
			case "_type":
				if f.types {
					err = json.Unmarshal(value, &op.kind)
					break
				}
				fallthrough
			default:
				return operation{}, fmt.Errorf("Action/metadata line [%d] contains an unknown parameter [%s]", n, member)
			}
			if err != nil {
				return operation{}, malformed
			}
		}
		if external != (op.version != nil) {
			return operation{}, invalid("1: version without a type, or a type without a version;")
		}
		return op, nil
	}
	return operation{}, malformed
}

// write executes an operation.
func (f *fake) write(op operation) *failed {
	if f.one != nil {
		if e := f.one(op); e != nil {
			return e
		}
	}
	key := op.index + "/" + op.id
	old, there := f.docs[key]
	var source map[string]json.RawMessage
	switch {
	case op.id == "":
		return &failed{http.StatusBadRequest, "illegal_argument_exception", "if _id is specified it must not be empty"}
	case op.index != strings.ToLower(op.index) || strings.ContainsAny(op.index, `\/*?"<>| ,#`):
		return &failed{http.StatusBadRequest, "invalid_index_name_exception", "Invalid index name [" + op.index + "]"}
	case json.Unmarshal([]byte(op.source), &source) != nil:
		return &failed{http.StatusBadRequest, "mapper_parsing_exception", "failed to parse"}
	case op.op == "create" && there, op.version != nil && there && *op.version < old.version:
		return &failed{http.StatusConflict, "version_conflict_engine_exception", "version conflict"}
	}
	if n, ok := source["n"]; ok && !json.Valid(append([]byte("-"), n...)) && !bytes.HasPrefix(n, []byte("-")) {
		return &failed{http.StatusBadRequest, "mapper_parsing_exception", "failed to parse field [n] of type [long]"}
	}
	version := old.version + 1
	if op.version != nil {
		version = *op.version
	}
	f.written++
	f.docs[key] = stored{op, version, f.written}
	return nil
}
