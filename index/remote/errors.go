package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"toolrouter/internal/catalog"
)

const maxMessage = 200 // bytes of what an endpoint says of an error

// StatusError is an answer with another status than 200.
type StatusError struct {
	Status int
	Text   string // what the endpoint said, on one line, clipped and without secrets
	after  time.Duration
}

// Error gives status and text.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("the endpoint answered %d", e.Status)
	if name := http.StatusText(e.Status); name != "" {
		text += " " + name
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// busy reports whether the request is worth another try.
func (e *StatusError) busy() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// refusesText reports whether the fault may be one text's, such as its length.
func (e *StatusError) refusesText() bool {
	return e.Status == http.StatusBadRequest || e.Status == http.StatusRequestEntityTooLarge || e.Status == http.StatusUnprocessableEntity
}

// AnswerError is an answer that is no list of usable vectors.
type AnswerError struct{ Text string }

// Error says what is wrong with the answer.
func (e *AnswerError) Error() string { return "the endpoint's answer " + e.Text }

// UnreachableError means that no answer came, or not the whole of one.
type UnreachableError struct {
	text  string // without secrets
	cause error
}

// Error says what the network said.
func (e *UnreachableError) Error() string { return "the endpoint cannot be reached: " + e.text }

// Unwrap gives the network's error, which may be the context's. Its text may
// hold the URL.
func (e *UnreachableError) Unwrap() error { return e.cause }

func wrong(format string, args ...any) error { return &AnswerError{fmt.Sprintf(format, args...)} }

// inShort says what went wrong in a few words of our own, fit to stand in the
// answer of a search: nothing of what an endpoint wrote gets there.
func inShort(err error) string {
	var status *StatusError
	var answer *AnswerError
	var unreachable *UnreachableError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errLate):
		return "the embeddings endpoint timed out"
	case errors.As(err, &status):
		return fmt.Sprintf("the embeddings endpoint answered %d", status.Status)
	case errors.As(err, &answer):
		return "the embeddings endpoint gave a wrong answer"
	case errors.As(err, &unreachable):
		return "the embeddings endpoint cannot be reached"
	case errors.Is(err, errBusy):
		return "the embeddings endpoint is behind with other queries"
	}
	return "the embeddings endpoint's vectors cannot be used"
}

// unreachable makes an error of one of package http, without the URL, whose query
// may hold a key.
func (c *Client) unreachable(err error) error {
	if at, ok := errors.AsType[*url.Error](err); ok {
		err = at.Err
	}
	return &UnreachableError{c.scrub(err.Error()), err}
}

// scrub takes the secrets out of a text.
func (c *Client) scrub(text string) string {
	for _, secret := range c.secrets {
		if len(secret) >= 4 { // shorter ones would take ordinary words with them
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

// messageOf finds what an endpoint says of an error, in the forms that are
// common: {"error":{"message":…}}, {"error":…}, {"message":…}, {"detail":…}, text.
func messageOf(answer []byte) string {
	var said struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	text := string(answer[:min(len(answer), 8*maxMessage)])
	if json.Unmarshal(answer, &said) == nil {
		var inner struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(said.Error, &inner) // anything else leaves it empty
		for _, candidate := range []string{inner.Message, textOf(said.Error), textOf(said.Message), textOf(said.Detail)} {
			if candidate != "" {
				text = candidate
				break
			}
		}
	}
	if strings.HasPrefix(strings.TrimSpace(text), "<") {
		return "" // a page for people
	}
	return catalog.Clip(catalog.Printable(text), maxMessage)
}

func textOf(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // anything but a text is none
	return s
}
