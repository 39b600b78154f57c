package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// Limits of what one backend may list.
const (
	maxPages     = 200
	maxTools     = 5000
	maxListBytes = 64 << 20
)

// list asks for all tools, page by page, and gives each definition as it came.
// A server without tools lists none.
func (s *session) list(ctx context.Context) ([]json.RawMessage, error) {
	var all []json.RawMessage
	seen := map[string]bool{}
	size := 0
	members := ""
	for range maxPages {
		raw, err := s.plain(ctx, mcp.MethodToolsList, members)
		if fault := (*catalog.RPCError)(nil); errors.As(err, &fault) && fault.Code == codeMethodNotFound && len(all) == 0 {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var page struct {
			Tools      []json.RawMessage `json:"tools"`
			NextCursor string            `json:"nextCursor"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return nil, fmt.Errorf("page %d: %w", len(seen)+1, err)
		}
		all = append(all, page.Tools...)
		size += len(raw)
		switch {
		case len(all) > maxTools:
			return nil, tooMuch("%d tools", maxTools)
		case size > maxListBytes:
			return nil, tooMuch("%d bytes of definitions", maxListBytes)
		case page.NextCursor == "":
			return all, nil
		case seen[page.NextCursor]:
			return nil, fmt.Errorf("the cursor %q came twice: the pages go round", catalog.Clip(page.NextCursor, 40))
		}
		seen[page.NextCursor] = true
		cursor, err := json.Marshal(page.NextCursor)
		if err != nil { // a string always marshals
			return nil, err
		}
		members = `"cursor":` + string(cursor)
	}
	return nil, tooMuch("%d pages", maxPages)
}

// tooMuch says what helps against a list that is too long. The configuration's
// filter does not: it is for what was listed.
func tooMuch(format string, limit int) error {
	return &permanentError{fmt.Errorf("more than "+format+", the most that one server may list (allow and deny count only afterwards): "+
		"split the server, or ask its author for fewer", limit)}
}

// admit reads definitions into tools. One that cannot be served is held with the
// reason, and holds up no other; one that the configuration filters out is
// neither.
func (s *session) admit(definitions []json.RawMessage) (tools []*catalog.Tool, held map[string]string) {
	held = map[string]string{}
	public := map[string]string{} // the tools' own names, by the public ones
	mirrored := map[string]*mcp.Tool{}
	for i, raw := range definitions {
		t, err := catalog.NewTool(s.spec.Name, raw)
		if err != nil {
			held[nameOf(raw, i)] = err.Error()
			continue
		}
		if !s.spec.Serves(t.ID.Tool) {
			continue
		}
		if first, taken := public[t.Name]; taken {
			held[t.ID.Tool] = "it is listed twice; the first counts"
			if first != t.ID.Tool {
				held[t.ID.Tool] = fmt.Sprintf("its public name, %s, is that of %q already", t.Name, first)
			}
			continue
		}
		if err := s.mirror(t, mirrored); err != nil {
			held[t.ID.Tool] = err.Error()
			continue
		}
		public[t.Name] = t.ID.Tool
		tools = append(tools, t)
	}
	s.headerTool.Store(&mirrored)
	return tools, held
}

// mirror keeps a tool whose arguments have to be repeated in headers. One whose
// annotations for that are wrong must not be used (revision 2026-07-28).
func (s *session) mirror(t *catalog.Tool, into map[string]*mcp.Tool) error {
	if s.child != nil || !s.about.modern() || !bytes.Contains(t.Definition, []byte(`"x-mcp-header"`)) {
		return nil
	}
	tool := &mcp.Tool{Name: t.ID.Tool, RawInputSchema: t.InputSchema()}
	if err := mcp.ValidateParamHeaderAnnotations(tool); err != nil {
		return err
	}
	into[t.ID.Tool] = tool
	return nil
}

// nameOf finds a name for a definition that cannot be read.
func nameOf(raw json.RawMessage, i int) string {
	var d struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(raw, &d) == nil && d.Name != "" {
		return catalog.Clip(catalog.Printable(d.Name), catalog.MaxToolName)
	}
	return fmt.Sprintf("#%d", i+1)
}
