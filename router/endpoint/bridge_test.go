package endpoint

import "testing"

// A cancelled request gets no answer: a bridge that went on waiting for one would
// grow with every cancel, and not end with its client.
func TestBridgeForgetsCancelledRequests(t *testing.T) {
	b := NewBridge(nil, nil)
	b.note([]byte(`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"call_tool"}}`))
	if !b.waiting() {
		t.Fatal("a request without an answer is not waited for")
	}
	b.note([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"b"}}`))
	if !b.waiting() {
		t.Error("the cancel of another request counted for this one")
	}
	b.note([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}`))
	if b.waiting() {
		t.Error("a cancelled request is waited for")
	}
}
