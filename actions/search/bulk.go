package search

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/actions"
)

const (
	opIndex     = "index"
	opCreate    = "create"
	defaultType = "_doc"
	// filter leaves out of answers what is not read.
	filter = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
)

// An item is a document of a request.
type item struct {
	event                    int // its place among the events
	index, kind, id, version string
	payload                  []byte
}

// A bulk is a batch on its way.
type bulk struct {
	action *Action
	items  []item
	errs   []error // of the events
}

// send writes items and notes the error of each. It returns one if the server took none of
// them and may take them later: then nothing that comes after them may be written.
func (b *bulk) send(ctx context.Context, items []item) error {
	verdicts, err := b.action.client.send(ctx, b.action, items)
	var whole *requestError
	switch {
	case err == nil:
		for i, v := range verdicts { // none if all is well
			b.errs[items[i].event] = b.action.judge(v)
		}
		return nil
	case !errors.As(err, &whole) || !whole.refused():
		b.fail(items, err)
		return err
	case len(items) == 1:
		b.fail(items, actions.Permanent(err))
		return nil
	}
	// It is too large, or something is wrong with one of them.
	half := len(items) / 2
	if err := b.send(ctx, items[:half]); err != nil {
		b.fail(items[half:], err)
		return err
	}
	return b.send(ctx, items[half:])
}

func (b *bulk) fail(items []item, err error) {
	for _, it := range items {
		b.errs[it.event] = err
	}
}

// replaced looks for documents that were not written, but later ones with the same id were:
// they must not come again. With versions they may.
func (b *bulk) replaced() {
	if b.action.Version != "" {
		return
	}
	var written map[[2]string]bool
	for i := len(b.items) - 1; i >= 0; i-- {
		it := &b.items[i]
		key := [2]string{it.index, it.id}
		switch err := b.errs[it.event]; {
		case err == nil:
			if written == nil {
				written = map[[2]string]bool{}
			}
			written[key] = true
		case written[key] && !errors.Is(err, actions.ErrPermanent):
			b.errs[it.event] = nil
		}
	}
}

// send makes a request for items. If all is well with each it returns nil, otherwise what
// the server says about each, or an error that all have.
func (c *Client) send(ctx context.Context, a *Action, items []item) ([]verdict, error) {
	withType := c.typed.Load()
	answer, err := c.post(ctx, a, items, withType)
	var whole *requestError
	if errors.As(err, &whole) && whole.status == http.StatusBadRequest && whole.aboutType(!withType) {
		c.typed.Store(!withType)
		answer, err = c.post(ctx, a, items, !withType)
	}
	if err != nil {
		return nil, err
	}
	return parse(answer, len(items))
}

// post makes one request and returns the answer.
func (c *Client) post(ctx context.Context, a *Action, items []item, withType bool) ([]byte, error) {
	body, err := c.body(a, items, withType)
	if err != nil {
		return nil, actions.Permanent(err)
	}
	method := http.MethodPost
	if c.cfg.Auth.put {
		method = http.MethodPut
	}
	n := c.nodes.next()
	// net/http may still read the body when the answer is there, so it is used once.
	r, err := http.NewRequestWithContext(ctx, method, n.url+c.target(ctx, items[0].index), bytes.NewReader(body))
	if err != nil {
		return nil, actions.Permanent(withoutURL(err))
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	if c.cfg.Gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	if c.cfg.Auth.set != nil {
		if err := c.cfg.Auth.set(ctx, r, body, a.RoleARN); err != nil {
			return nil, fmt.Errorf("authentication: %w", err)
		}
	}
	answer, err := c.do(r)
	var whole *requestError
	if works := err == nil || errors.As(err, &whole) && whole.status < http.StatusInternalServerError; works || ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.nodes.done(n, works)
	}
	return answer, err
}

// target is path and query of a request.
func (c *Client) target(ctx context.Context, index string) string {
	var b strings.Builder
	if c.cfg.IndexInPath {
		b.WriteString("/" + url.PathEscape(index))
	}
	b.WriteString("/_bulk?filter_path=" + filter)
	// The server gives up before the hub does, so that what comes again is not executed
	// twice, with others between.
	if end, ok := ctx.Deadline(); ok {
		left := max(time.Until(end)*3/4, time.Millisecond)
		b.WriteString("&timeout=" + strconv.FormatInt(max(1, left.Milliseconds()), 10) + "ms")
	}
	if c.cfg.Pipeline != "" {
		b.WriteString("&pipeline=" + url.QueryEscape(c.cfg.Pipeline))
	}
	if c.cfg.Refresh != "" {
		b.WriteString("&refresh=" + c.cfg.Refresh)
	}
	return b.String()
}

// body writes the lines of items.
func (c *Client) body(a *Action, items []item, withType bool) ([]byte, error) {
	op := a.Operation
	if op == "" {
		op = opIndex
	}
	size := 0
	for i := range items {
		it := &items[i]
		size += len(it.payload) + len(it.index) + len(it.id) + 64
	}
	lines := make([]byte, 0, size)
	for i := range items {
		it := &items[i]
		lines = append(append(append(lines, `{"`...), op...), `":{`...)
		if !c.cfg.IndexInPath {
			lines = append(appendText(append(lines, `"_index":`...), it.index), ',')
		}
		if withType {
			lines = append(appendText(append(lines, `"_type":`...), it.kind), ',')
		}
		lines = appendText(append(lines, `"_id":`...), it.id)
		if it.version != "" {
			lines = append(append(append(lines, `,"version":`...), it.version...), `,"version_type":"external_gte"`...)
		}
		lines = append(lines, "}}\n"...)
		at := len(lines)
		lines = append(lines, it.payload...)
		// In JSON they stand between tokens only.
		for j, b := range lines[at:] {
			if b == '\n' || b == '\r' {
				lines[at+j] = ' '
			}
		}
		lines = append(lines, '\n')
	}
	if !c.cfg.Gzip {
		return lines, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(lines); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// appendText appends a text, which is UTF-8, as JSON.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, _ := json.Marshal(text) // a text has no error
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// do sends a request and returns the answer if it is a success.
func (c *Client) do(r *http.Request) ([]byte, error) {
	resp, err := c.cfg.HTTP.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode/100 != 2:
		return nil, refusal(resp.StatusCode, answer)
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(answer) > maxAnswer:
		return nil, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return answer, nil
}

// withoutURL takes the URL out of an error of net/http, which names the parameters.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
