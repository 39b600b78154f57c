package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"toolrouter/internal/catalog"
)

// answer has a request of the backend answered, away from the read loop: that
// one never waits, neither for a client nor for the backend to read.
func (p *pipe) answer(id, method string, params json.RawMessage) {
	ctx, done, refusal := p.beginAsk(id)
	if refusal != nil {
		if !p.offer(encodeReply(id, nil, refusal)) { // it asks, and does not read the answers
			p.log.Debug("request not answered", "err", refusal)
		}
		return
	}
	p.wg.Go(func() { // ends with the answer, or with the connection; Close waits
		defer done()
		result, fault := p.to.asked(ctx, method, params)
		select {
		case <-ctx.Done():
		case p.queue <- &outgoing{frame: encodeReply(id, result, fault)}:
		}
	})
}

// beginAsk gives the context in which a request is answered, which ends after
// its answer is on its way, and the function that ends it.
func (p *pipe) beginAsk(id string) (context.Context, func(), *catalog.RPCError) {
	p.askMu.Lock()
	defer p.askMu.Unlock()
	switch {
	case p.asking[id] != nil:
		return nil, nil, &catalog.RPCError{Code: codeNoCaller, Message: "a request with this id is already waiting for its answer"}
	case len(p.asking) >= maxAsked:
		return nil, nil, &catalog.RPCError{Code: codeNoCaller, Message: fmt.Sprintf("%d requests are already waiting for an answer; ask again later", maxAsked)}
	}
	ctx, cancel := context.WithCancel(p.life)
	p.asking[id] = cancel
	return ctx, func() {
		cancel()
		p.askMu.Lock()
		defer p.askMu.Unlock()
		delete(p.asking, id)
	}, nil
}

// cancelled ends the answering of a request that the backend took back.
func (p *pipe) cancelled(params json.RawMessage) {
	var about struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	if json.Unmarshal(params, &about) != nil {
		return
	}
	p.askMu.Lock()
	defer p.askMu.Unlock()
	if cancel := p.asking[string(about.RequestID)]; cancel != nil {
		cancel()
	}
}

// encodeReply puts the answer to a request of the backend on one line. One that
// is no valid JSON becomes an error.
func encodeReply(id string, result json.RawMessage, fault *catalog.RPCError) []byte {
	b := bytes.NewBufferString(`{"jsonrpc":"2.0","id":` + id + `,"result":`)
	if fault == nil && json.Compact(b, result) == nil {
		b.WriteString("}\n")
		return b.Bytes()
	}
	if fault == nil {
		fault = &catalog.RPCError{Code: codeInternal, Message: "the answer is no valid JSON"}
	}
	raw, err := json.Marshal(fault)
	if err != nil { // its data is no valid JSON
		raw, _ = json.Marshal(&catalog.RPCError{Code: fault.Code, Message: fault.Message})
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":%s}`+"\n", id, raw)
}
