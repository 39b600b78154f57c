package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"toolrouter/internal/catalog"
)

// answer has a request of the backend answered, away from the read loop.
func (p *pipe) answer(id, method string, params json.RawMessage) {
	ctx, done, ok := p.beginAsk(id)
	if !ok {
		p.reply(id, nil, &catalog.RPCError{Code: codeNoCaller, Message: "too many requests are waiting for an answer"})
		return
	}
	p.wg.Go(func() { // ends with the answer, or with the connection; Close waits
		defer done()
		result, fault := p.to.asked(ctx, method, params)
		if ctx.Err() == nil {
			p.reply(id, result, fault)
		}
	})
}

func (p *pipe) beginAsk(id string) (context.Context, func(), bool) {
	p.askMu.Lock()
	defer p.askMu.Unlock()
	if len(p.asking) >= maxAsked || p.asking[id] != nil || p.askLife.Err() != nil {
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(p.askLife)
	p.asking[id] = cancel
	return ctx, func() {
		cancel()
		p.askMu.Lock()
		defer p.askMu.Unlock()
		delete(p.asking, id)
	}, true
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

// reply sends the answer to a request of the backend.
func (p *pipe) reply(id string, result json.RawMessage, fault *catalog.RPCError) {
	frame, err := encodeReply(id, result, fault)
	if err != nil {
		frame, _ = encodeReply(id, nil, &catalog.RPCError{Code: codeInternal, Message: "the answer is no valid JSON"})
	}
	select {
	case p.queue <- &outgoing{frame: frame}:
	case <-p.gone:
	case <-time.After(writeTimeout): // it asks, and does not read the answers
	}
}

func encodeReply(id string, result json.RawMessage, fault *catalog.RPCError) ([]byte, error) {
	b := bytes.NewBufferString(`{"jsonrpc":"2.0","id":` + id)
	if fault != nil {
		raw, err := json.Marshal(fault)
		if err != nil {
			return nil, err
		}
		result = raw
		b.WriteString(`,"error":`)
	} else {
		b.WriteString(`,"result":`)
	}
	if err := json.Compact(b, result); err != nil {
		return nil, err
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}
