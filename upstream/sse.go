package upstream

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"toolrouter/internal/catalog"
)

// answerTimeout bounds the request that carries an answer or command of ours.
const answerTimeout = 10 * time.Second

// eventFilter takes events out of a stream before its reader sees them. mcp-go's
// HTTP+SSE transport knows no requests from the server, and would take one for
// the reply to a request of the same id; and none of its transports tells on
// which stream a notification came.
type eventFilter struct {
	io.Closer
	src  *bufio.Reader
	out  bytes.Buffer // what is to be read next
	take func(data []byte) bool
	err  error
}

func newEventFilter(body io.ReadCloser, take func(data []byte) bool) *eventFilter {
	return &eventFilter{Closer: body, src: bufio.NewReader(body), take: take}
}

func (f *eventFilter) Read(p []byte) (int, error) {
	for f.out.Len() == 0 {
		if f.err != nil {
			return 0, f.err
		}
		f.next()
	}
	return f.out.Read(p)
}

// next reads one event, and keeps it unless it is taken.
func (f *eventFilter) next() {
	var event, data []byte
	for f.err == nil {
		var line []byte
		line, f.err = f.src.ReadBytes('\n')
		event = append(event, line...)
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, value...)
		}
	}
	if f.err != nil || !f.take(data) {
		f.out.Write(event)
	}
}

// sseAnswers answers the requests of a server on HTTP+SSE, each by a POST.
type sseAnswers struct {
	s        *session
	endpoint func() *url.URL
	slots    chan struct{} // one for each request that is being answered
}

func newSSEAnswers(s *session, endpoint func() *url.URL) *sseAnswers {
	return &sseAnswers{s: s, endpoint: endpoint, slots: make(chan struct{}, maxAsked)}
}

// take answers an event that is a request, and reports whether it was one. It
// does not block: one request too many is not answered.
func (a *sseAnswers) take(_ context.Context, data []byte) bool {
	if !bytes.Contains(data, []byte(`"method"`)) {
		return false
	}
	m, err := parseMessage(data)
	if err != nil || m.method == "" || m.id == nil {
		return false
	}
	select {
	case a.slots <- struct{}{}:
	default:
		return true
	}
	a.s.wg.Go(func() { // ends with the session, whose stop waits
		defer func() { <-a.slots }()
		ctx, done := context.WithCancel(a.s.life)
		defer done() // when the answer was sent
		result, fault := a.s.asked(ctx, m.method, m.params)
		if ctx.Err() == nil {
			a.post(ctx, string(m.id), result, fault)
		}
	})
	return true
}

func (a *sseAnswers) post(ctx context.Context, id string, result []byte, fault *catalog.RPCError) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	to := a.endpoint()
	if to == nil {
		return
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(encodeReply(id, result, fault)))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := a.s.http.Do(r)
	if err != nil {
		a.s.log.Warn("answer not sent", "err", plainHTTPError(err))
		return
	}
	resp.Body.Close()
}
