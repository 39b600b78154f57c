package endpoint

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

const (
	maxBatch    = 100          // messages in one batch
	lastBatches = "2025-03-26" // the last revision that has them
)

var (
	errBatch   = errors.New("this revision has no batches: send one message at a time")
	errInBatch = errors.New("initialize cannot be part of a batch")
)

// splitBatch takes a batch apart, without looking into its messages.
func splitBatch(raw []byte) ([]json.RawMessage, *catalog.RPCError) {
	var batch []json.RawMessage
	d := json.NewDecoder(bytes.NewReader(raw))
	_, err := d.Token() // the bracket
	for err == nil && d.More() {
		if len(batch) == maxBatch {
			return nil, rpcError(codeInvalid, fmt.Sprintf("a batch has at most %d messages", maxBatch))
		}
		var one json.RawMessage
		err = d.Decode(&one)
		batch = append(batch, one)
	}
	if err == nil {
		_, err = d.Token()
	}
	if err == nil && len(bytes.TrimSpace(raw[d.InputOffset():])) > 0 {
		err = errors.New("text after the end")
	}
	switch {
	case err != nil:
		return nil, rpcError(codeParse, "not a batch of JSON-RPC messages: "+err.Error())
	case len(batch) == 0:
		return nil, rpcError(codeInvalid, "a batch has at least one message")
	}
	return batch, nil
}

// takesBatches reports whether a client of Streamable HTTP speaks a revision that
// has batches. Those came before the header: a client that names no revision, here
// or in a session, is of that time.
func takesBatches(h http.Header, sess *session) bool {
	revision := h.Get(headerVersion)
	if revision == "" && sess != nil {
		revision = sess.negotiated()
	}
	return revision == "" || revision <= lastBatches && mcp.IsValidProtocolVersion(revision)
}

// postBatch takes several messages in one body. Their sender is a peer for as
// long as it takes to answer them, in whatever order the answers come.
func (e *Endpoint) postBatch(w http.ResponseWriter, r *http.Request, body []byte) {
	sess, ok := e.namedSession(r)
	if !ok {
		writeRPC(w, http.StatusNotFound, nil, errUnknownSession)
		return
	}
	if !takesBatches(r.Header, sess) {
		writeRPC(w, http.StatusBadRequest, nil, asRefusal(errBatch))
		return
	}
	batch, refused := splitBatch(body)
	if refused != nil {
		writeRPC(w, http.StatusBadRequest, nil, refused)
		return
	}
	if sess == nil {
		sess = newSession(rand.Text())
		defer sess.end()
	}
	answer := &batchAnswer{w: w, streams: acceptsStream(r.Header["Accept"])}
	p := e.batchPeer(r.Context(), sess, answer.write)
	written := make(chan error, 1)
	go func() { written <- p.box.run() }() // ends when the box is closed, joined below
	defer func() {
		p.work.wait()
		p.box.close()
		<-written
		answer.end()
	}()
	for _, raw := range batch {
		p.receiveInBatch(raw, answer.streams)
	}
}

// batchPeer makes a peer for the messages of one batch in a session.
func (e *Endpoint) batchPeer(ctx context.Context, sess *session, write func([]byte) error) *peer {
	p := &peer{e: e, life: lifeOf(ctx), ctx: ctx, sess: sess, box: newOutbox(write), work: newGate()}
	p.main = p.newClientSession(sess.id)
	return p
}

// receiveInBatch takes one message of a batch. If the answer is no stream, its
// call has nothing to say but its result.
func (p *peer) receiveInBatch(raw []byte, streams bool) {
	q, ok := p.read(raw)
	switch {
	case !ok:
	case q.modern:
		p.refuse(q.m.ID, asRefusal(errBatch))
	case q.m.Method == string(mcp.MethodInitialize):
		p.refuse(q.m.ID, asRefusal(errInBatch))
	default:
		if !streams {
			q.out = deaf{}
		}
		p.dispatch(raw, q)
	}
}

// deaf is the outlet of a call that can be answered and no more.
type deaf struct{}

func (deaf) offer([]byte) bool { return false }

// batchAnswer is the answer to a batch: a stream of events, or an array for a
// client that takes no stream, or if nothing wants an answer none.
type batchAnswer struct {
	w       http.ResponseWriter
	streams bool
	begun   bool
}

func (a *batchAnswer) write(msg []byte) error {
	lead := ","
	if !a.begun {
		lead = "["
		a.begin()
	}
	if a.streams {
		return writeEvent(a.w, "message", msg)
	}
	if _, err := io.WriteString(a.w, lead); err != nil {
		return err
	}
	_, err := a.w.Write(msg)
	return err
}

func (a *batchAnswer) begin() {
	a.begun = true
	h := a.w.Header()
	h["Content-Type"] = jsonType
	if a.streams {
		h["Content-Type"], h["Cache-Control"] = sseType, noCache
	}
	a.w.WriteHeader(http.StatusOK)
}

func (a *batchAnswer) end() {
	switch {
	case !a.begun:
		a.w.WriteHeader(http.StatusAccepted)
	case !a.streams:
		_, _ = io.WriteString(a.w, "]") // a client that is gone needs no end
	}
}
