package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"toolrouter/internal/catalog"
)

// A replay server speaks JSON-RPC by hand. Definitions have to go out byte for
// byte, which typed structs do not do, and nothing of the list is parsed before
// a call asks for a name.

const (
	maxFrame       = 16 << 20 // bytes of one request
	newestRevision = "2025-11-25"
)

// JSON-RPC error codes.
const (
	codeParse         = -32700
	codeUnknownMethod = -32601
	codeBadParams     = -32602
)

// revisions are the protocol revisions a replay server speaks.
var revisions = map[string]bool{"2024-11-05": true, "2025-03-26": true, "2025-06-18": true, newestRevision: true}

type rpcRequest struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// player replays one server's recorded list.
type player struct {
	name  string
	lines [][]byte // the definitions
	out   *bufio.Writer
}

func runReplay(ctx context.Context, file string, in io.Reader, out io.Writer) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("open recorded list: %w", err)
	}
	p := &player{name: strings.TrimSuffix(filepath.Base(file), ".jsonl"), out: bufio.NewWriterSize(out, 64<<10)}
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			p.lines = append(p.lines, line)
		}
	}
	return p.serve(ctx, in)
}

// serve answers one request after the other. It looks at ctx between them: what
// ends it while it reads is the end of in.
func (p *player) serve(ctx context.Context, in io.Reader) error {
	frames := bufio.NewScanner(in)
	frames.Buffer(make([]byte, 4<<10), maxFrame)
	for ctx.Err() == nil && frames.Scan() {
		frame := bytes.TrimSpace(frames.Bytes())
		if len(frame) == 0 {
			continue
		}
		if err := p.answer(frame); err != nil {
			return err
		}
	}
	return errors.Join(ctx.Err(), frames.Err())
}

func (p *player) answer(frame []byte) error {
	var r rpcRequest
	if err := json.Unmarshal(frame, &r); err != nil {
		return p.fail(json.RawMessage("null"), codeParse, "parse error")
	}
	if r.ID == nil { // a notification
		return nil
	}
	switch r.Method {
	case "initialize":
		return p.reply(r.ID, p.welcome(r.Params))
	case "ping":
		return p.reply(r.ID, []byte("{}"))
	case "tools/list":
		return p.reply(r.ID, []byte(`{"tools":[`), bytes.Join(p.lines, []byte(",")), []byte("]}"))
	case "tools/call":
		return p.call(r.ID, r.Params)
	}
	return p.fail(r.ID, codeUnknownMethod, "no method "+r.Method)
}

func (p *player) welcome(params json.RawMessage) []byte {
	var asked struct {
		Version string `json:"protocolVersion"`
	}
	_ = json.Unmarshal(params, &asked)
	if !revisions[asked.Version] {
		asked.Version = newestRevision
	}
	out, _ := json.Marshal(map[string]any{
		"protocolVersion": asked.Version,
		"capabilities":    map[string]any{"tools": map[string]any{}},
		"serverInfo":      map[string]string{"name": p.name, "version": version},
	})
	return out
}

// call answers with what was asked: the tool's name and its arguments.
func (p *player) call(id, params json.RawMessage) error {
	var asked struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if err := json.Unmarshal(params, &asked); err != nil {
		return p.fail(id, codeBadParams, "bad params: "+err.Error())
	}
	if !p.has(asked.Name) {
		return p.fail(id, codeBadParams, "no tool "+asked.Name)
	}
	if asked.Arguments == nil {
		asked.Arguments = json.RawMessage("{}")
	}
	echo := fmt.Sprintf("recorded tool %s of %s was called with %s", asked.Name, p.name, asked.Arguments)
	out, err := json.Marshal(map[string]any{"content": []any{map[string]string{"type": "text", "text": echo}}})
	if err != nil {
		return p.fail(id, codeBadParams, "bad arguments: "+err.Error())
	}
	return p.reply(id, out)
}

// has reports whether a tool of that name was recorded.
func (p *player) has(name string) bool {
	for _, line := range p.lines {
		var tool struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(line, &tool) == nil && tool.Name == name {
			return true
		}
	}
	return false
}

// reply sends a result given in parts. What goes wrong with a write is told by
// Flush.
func (p *player) reply(id json.RawMessage, result ...[]byte) error {
	fmt.Fprintf(p.out, `{"jsonrpc":"2.0","id":%s,"result":`, id)
	for _, part := range result {
		_, _ = p.out.Write(part)
	}
	_, _ = p.out.WriteString("}\n")
	return p.out.Flush()
}

func (p *player) fail(id json.RawMessage, code int, message string) error {
	body, _ := json.Marshal(catalog.RPCError{Code: code, Message: message})
	fmt.Fprintf(p.out, `{"jsonrpc":"2.0","id":%s,"error":%s}`+"\n", id, body)
	return p.out.Flush()
}
