package rules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A confirmation is a token on its way to a destination.
type confirmation struct {
	s               *Service
	arn, url, token string
	tries           int
}

// confirmationJSON is what a destination gets.
type confirmationJSON struct {
	ARN         string `json:"arn"`
	Token       string `json:"confirmationToken"`
	EnableURL   string `json:"enableUrl,omitempty"`
	MessageType string `json:"messageType"`
}

const (
	confirmationType  = "DestinationConfirmation"
	confirmationTries = 3
	confirmationPause = 5 * time.Second
)

// send sends the token; if that fails for good, the destination has failed. When ctx
// ends it goes on in the next Run.
func (c *confirmation) send(ctx context.Context) {
	for {
		err := c.post(ctx)
		c.tries++
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
		case c.tries >= confirmationTries:
			c.fail(ctx, err)
			return
		case sleep(ctx, confirmationPause):
			continue
		}
		c.tries--
		c.s.crew.once(c.send)
		return
	}
}

func (c *confirmation) post(ctx context.Context) error {
	u, err := url.Parse(c.url)
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("confirmationToken", c.token)
	u.RawQuery = q.Encode()
	j := confirmationJSON{ARN: c.arn, Token: c.token, MessageType: confirmationType}
	if base := c.s.cfg.Web.EnableURL; base != "" {
		j.EnableURL = base + c.token
	}
	body, err := marshal(j)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("x-amz-rules-engine-message-type", confirmationType)
	r.Header.Set("x-amz-rules-engine-destination-arn", c.arn)
	resp, err := c.s.cfg.Web.Client.Do(r)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err // without the URL, which has the token
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 16<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the endpoint answered %d", resp.StatusCode)
	}
	return nil
}

// fail notes that the token could not be delivered, unless there is another one by now.
func (c *confirmation) fail(ctx context.Context, cause error) {
	s := c.s
	unlock, err := s.lockPlaces(ctx)
	if err != nil {
		return
	}
	defer unlock()
	was := s.places.byARN[c.arn]
	if was == nil || was.Token != hashed(c.token) {
		return
	}
	d := *was
	d.Status, d.Reason, d.Updated = DestinationError, "the confirmation could not be sent: "+cause.Error(), time.Now()
	if err := s.savePlace(ctx, d); err != nil {
		s.cfg.Logger.Warn("rules: the state of a destination was not stored", "destination", c.arn, "err", err)
	}
}
