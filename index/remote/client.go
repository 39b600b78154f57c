package remote

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	concurrency  = 4                // requests at once
	maxTries     = 4                // of one request
	requestLimit = 2 * time.Minute  // for one try: a model may have to be loaded first
	shortestWait = time.Second / 2  // before another try
	longestWait  = 30 * time.Second // whatever Retry-After says
	maxRedirects = 3

	answerBase     = 64 << 10 // bytes that an answer may have, and
	bytesPerText   = 1 << 10  // for each vector, and
	bytesPerNumber = 64       // for each number in it, indented as it may be
)

// Client is a model behind an endpoint. It may be used from any number of
// goroutines.
type Client struct {
	opts    Options
	url     *url.URL
	http    *http.Client
	header  http.Header
	secrets []string
	dim     atomic.Int64 // of the vectors that came last; 0 before the first
}

// New makes a Client. Nothing is asked yet. The error is that of
// [Options.Validate].
func New(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Batch == 0 {
		o.Batch = DefaultBatch
	}
	u, err := o.endpoint()
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = concurrency
	t.MaxResponseHeaderBytes = 64 << 10
	c := &Client{opts: o, url: u, header: o.header(), secrets: o.secrets(u)}
	c.http = &http.Client{Transport: t, CheckRedirect: checkRedirect}
	c.dim.Store(int64(o.Dimensions))
	return c, nil
}

// checkRedirect follows what leads to the same place with the same body. The
// answer is else the redirect itself, which is then an error.
func checkRedirect(r *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || r.Method != first.Method || r.URL.Host != first.URL.Host || r.URL.Scheme != first.URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// Name is the key under which vectors are kept. It is another one whenever a
// text could get another vector.
func (c *Client) Name() string { return c.opts.name(c.url) }

// Label names the model for people: "nomic-embed-text @ localhost:11434".
func (c *Client) Label() string { return c.opts.label(c.url) }

// Dim is the length of the vectors that came last, 0 before the first have come
// and none was asked for. It changes when the endpoint gets another model under
// the same name.
func (c *Client) Dim() int { return int(c.dim.Load()) }

// AsQuery is the exact text that is embedded for a query.
func (c *Client) AsQuery(text string) string { return c.opts.QueryPrefix + text }

// AsDocument is the exact text that is embedded for a tool.
func (c *Client) AsDocument(text string) string { return c.opts.DocumentPrefix + text }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Embed gives a unit vector for each text, all of one length. It asks in
// batches, some at once, and again where the endpoint says that it is busy, for
// as long as the context lets it. The errors are the context's, a
// [*StatusError], an [*AnswerError] and those of the network.
func (c *Client) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for from := 0; from < len(texts); from += c.opts.Batch {
		to := min(from+c.opts.Batch, len(texts))
		g.Go(func() error { // ends with its requests; joined below
			vectors, err := c.batch(gctx, texts[from:to])
			copy(out[from:to], vectors)
			return err
		})
	}
	err := g.Wait()
	if err == nil {
		err = c.check(out)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("embed with %s: %w", c.Label(), err)
	}
	return out, nil
}

// batch makes one request, again if the endpoint asks for it.
func (c *Client) batch(ctx context.Context, texts []string) ([][]float32, error) {
	request := struct {
		Model      string   `json:"model,omitempty"`
		Input      []string `json:"input"`
		Dimensions int      `json:"dimensions,omitempty"`
	}{c.opts.Model, texts, c.opts.Dimensions}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	for try, wait := 1, shortestWait; ; try, wait = try+1, 2*wait {
		vectors, err := c.once(ctx, body, len(texts))
		var busy *StatusError
		if !errors.As(err, &busy) || !busy.busy() || try == maxTries {
			return vectors, err
		}
		select {
		case <-ctx.Done():
			return nil, err // more telling than the context's
		case <-time.After(min(max(busy.after, wait), longestWait)):
		}
	}
}

// once makes one request.
func (c *Client) once(ctx context.Context, body []byte, texts int) ([][]float32, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, c.unreachable(err)
	}
	req.Header = c.header
	if host := c.header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer resp.Body.Close()
	limit := c.answerLimit(texts)
	answer, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, c.refusal(resp, answer)
	case err != nil:
		return nil, c.unreachable(err)
	case int64(len(answer)) > limit:
		return nil, wrong("is larger than %d KiB", limit>>10)
	}
	vectors, err := readVectors(answer, texts)
	if bad, ok := errors.AsType[*AnswerError](err); ok {
		return nil, &AnswerError{c.scrub(bad.Text)}
	}
	return vectors, err
}

// answerLimit is how many bytes an answer with so many vectors may have.
func (c *Client) answerLimit(texts int) int64 {
	numbers := c.opts.Dimensions
	if numbers == 0 {
		numbers = maxDimensions
	}
	return int64(answerBase + texts*(bytesPerText+numbers*bytesPerNumber))
}

// check holds vectors that were asked for together against the length that was
// wanted, or against each other. Their length may be another than last time: an
// endpoint that gets another model under the same name stays usable, and whoever
// keeps vectors makes them anew.
func (c *Client) check(vectors [][]float32) error {
	if len(vectors) == 0 {
		return nil
	}
	want := cmp.Or(c.opts.Dimensions, len(vectors[0]))
	for _, v := range vectors {
		if len(v) != want {
			return wrong("has a vector of %d numbers where %d were expected", len(v), want)
		}
	}
	c.dim.Store(int64(want))
	return nil
}

// refusal makes an error of a status that is not 200.
func (c *Client) refusal(resp *http.Response, answer []byte) error {
	e := &StatusError{Status: resp.StatusCode, Text: c.scrub(messageOf(answer))}
	if to, err := resp.Location(); err == nil && resp.StatusCode < 400 {
		e.Text = "a redirect to " + c.scrub(to.Scheme+"://"+to.Host) + " that is not followed"
	}
	after := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil && seconds > 0 {
		e.after = time.Duration(min(seconds, int(longestWait/time.Second))) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		e.after = time.Until(at)
	}
	return e
}
