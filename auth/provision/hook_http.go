package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxHookAnswer is how many bytes a hook may answer.
const maxHookAnswer = 64 << 10

// HTTPHook returns a hook that posts the request as JSON to a URL and reads the answer
// from the body of a response with status 200:
//
//	{"claimCertificateId":"...","certificateId":"...","certificatePem":"...","templateArn":"...","clientId":"...","parameters":{}}
//	{"allowProvisioning":true,"parameterOverrides":{"Location":"Hall 3"}}
//
// Redirects are not followed. client is http.DefaultClient if it is nil; its timeout
// may be shorter than [HookTime], not longer.
func HTTPHook(client *http.Client, url string) Hook {
	if client == nil {
		client = http.DefaultClient
	}
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func(ctx context.Context, r HookRequest) (HookAnswer, error) { return post(ctx, &c, url, r) }
}

func post(ctx context.Context, c *http.Client, url string, r HookRequest) (answer HookAnswer, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return answer, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("the hook answered with status %d, expected 200", resp.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxHookAnswer+1))
	if err != nil {
		return answer, err
	}
	if len(body) > maxHookAnswer {
		return answer, fmt.Errorf("the hook answered more than %d bytes", maxHookAnswer)
	}
	return readHookAnswer(body)
}

// readHookAnswer reads an answer by the letter: what is only similar to a permission is
// none.
func readHookAnswer(body []byte) (answer HookAnswer, err error) {
	n, err := parseJSON(body)
	if err != nil {
		return answer, fmt.Errorf("the hook's answer is not JSON: %w", err)
	}
	if n.kind != '{' {
		return answer, fmt.Errorf("the hook's answer is %s, expected an object", n.what())
	}
	allow := n.get("allowProvisioning")
	if allow == nil || allow.kind != 't' {
		return answer, errors.New("the hook's answer has no allowProvisioning that is true or false")
	}
	answer.AllowProvisioning = allow.text == "true"
	if o := n.get("parameterOverrides"); o != nil && o.kind != 'n' {
		answer.ParameterOverrides, err = texts(o, "parameterOverrides", ErrParameters)
	}
	return answer, err
}

// texts reads an object of texts.
func texts(n *node, path string, kind error) (map[string]string, error) {
	if n.kind != '{' {
		e := amiss(path, n.what(), "an object of texts")
		e.Kind = kind
		return nil, e
	}
	out := make(map[string]string, len(n.members))
	for i := range n.members {
		m := &n.members[i]
		if m.value.kind != '"' {
			e := amiss(path+"."+shorten(m.name), m.value.what(), "text")
			e.Kind = kind
			return nil, e
		}
		out[m.name] = m.value.text
	}
	return out, nil
}
