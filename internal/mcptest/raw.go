package mcptest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
)

// Message is one JSON-RPC message, loosely read.
type Message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Error  json.RawMessage `json:"error"`
}

// rawServer is a server of an older revision without any library, so that it
// can be made to misbehave. It has one tool, echo, which gives its arguments
// back.
type rawServer struct {
	mu    sync.Mutex // guards writing
	tools string     // the members of the list
	// before looks at each message, and reports whether it dealt with it.
	before func(*rawServer, Message) bool
}

const (
	echoTool = `{"name":"echo","inputSchema":{"type":"object"}}`
	reply    = `{"jsonrpc":"2.0","id":%s,"result":%s}` + "\n"
)

// write sends bytes as they are.
func (s *rawServer) write(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(os.Stdout, format, args...)
}

func (s *rawServer) result(id json.RawMessage, result string) {
	s.write(reply, id, result)
}

func (s *rawServer) fault(id json.RawMessage, code int, message string) {
	s.write(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`+"\n", id, code, message)
}

// serve answers until its input ends.
func (s *rawServer) serve() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var m Message
		if json.Unmarshal(line, &m) != nil {
			continue
		}
		if s.before == nil || !s.before(s, m) {
			s.answer(m)
		}
	}
}

func (s *rawServer) answer(m Message) {
	switch {
	case m.ID == nil || m.Method == "":
	case m.Method == "initialize":
		s.result(m.ID, `{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"raw","version":"1"}}`)
	case m.Method == "tools/list":
		s.result(m.ID, `{"tools":[`+s.list()+`]}`)
	case m.Method == "tools/call":
		s.result(m.ID, echoed(m))
	case m.Method == "ping":
		s.result(m.ID, `{}`)
	default:
		s.fault(m.ID, -32601, "Method not found")
	}
}

func (s *rawServer) list() string {
	if s.tools == "" {
		return echoTool
	}
	return s.tools
}

// echoed gives a call's arguments back.
func echoed(m Message) string {
	var call struct {
		Arguments json.RawMessage `json:"arguments"`
	}
	_ = json.Unmarshal(m.Params, &call)
	text, _ := json.Marshal(string(call.Arguments))
	return `{"content":[{"type":"text","text":` + string(text) + `}]}`
}

// calls reports whether a message is a call whose arguments hold a word.
func calls(m Message, word string) bool {
	return m.Method == "tools/call" && strings.Contains(string(m.Params), word)
}
