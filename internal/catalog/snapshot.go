package catalog

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Change is what a new listing of one server changed.
type Change struct {
	Server   string
	About    ServerText // what the server says of itself now
	Retold   bool       // it said something else before
	Seq      uint64     // the store's sequence number after the change
	Upserted []*Tool
	Removed  []ID
	All      []*Tool // every tool of the server after the change, if whoever made the Change knows them
}

// Empty reports whether nothing changed: no tool, and nothing that the server
// says of itself.
func (c Change) Empty() bool { return len(c.Upserted) == 0 && len(c.Removed) == 0 && !c.Retold }

// Snapshot is every known tool at one moment. It never changes: With makes a
// new one that shares what stayed the same. The zero value is an empty
// catalogue.
type Snapshot struct {
	servers map[string]*shelf // by the server's own name
	names   []string          // of the servers, sorted
	total   int
}

// shelf holds one server's tools.
type shelf struct {
	prefix   string             // how a folded qualified name begins
	tools    []*Tool            // by public name
	byTool   map[string]*Tool   // by the backend's own name
	byPublic map[string]*Tool   // by the public name
	folded   map[string][]*Tool // by every spelling of the tool's own name
}

// NewSnapshot holds the given tools.
func NewSnapshot(tools []*Tool) *Snapshot {
	byServer := map[string][]*Tool{}
	for _, t := range tools {
		byServer[t.ID.Server] = append(byServer[t.ID.Server], t)
	}
	s := &Snapshot{servers: make(map[string]*shelf, len(byServer))}
	for server, tools := range byServer {
		s.put(server, tools)
	}
	s.names = slices.Sorted(maps.Keys(s.servers))
	return s
}

// With gives the snapshot after a change.
func (s *Snapshot) With(c Change) *Snapshot {
	next := &Snapshot{servers: maps.Clone(s.servers), total: s.total}
	if next.servers == nil {
		next.servers = map[string]*shelf{}
	}
	tools := map[string]*Tool{}
	if old := s.servers[c.Server]; old != nil {
		maps.Copy(tools, old.byTool)
	}
	for _, id := range c.Removed {
		delete(tools, id.Tool)
	}
	for _, t := range c.Upserted {
		tools[t.ID.Tool] = t
	}
	next.put(c.Server, slices.Collect(maps.Values(tools)))
	next.names = slices.Sorted(maps.Keys(next.servers))
	return next
}

// put sets one server's tools, for use before the snapshot is published.
func (s *Snapshot) put(server string, tools []*Tool) {
	if old := s.servers[server]; old != nil {
		s.total -= len(old.tools)
	}
	if len(tools) == 0 {
		delete(s.servers, server)
		return
	}
	h := &shelf{
		prefix:   fold(server) + "_",
		tools:    slices.SortedFunc(slices.Values(tools), byName),
		byTool:   make(map[string]*Tool, len(tools)),
		byPublic: make(map[string]*Tool, len(tools)),
		folded:   make(map[string][]*Tool, len(tools)),
	}
	for _, t := range h.tools {
		h.byTool[t.ID.Tool] = t
		h.byPublic[t.Name] = t
		for _, key := range t.foldedNames() {
			h.folded[key] = append(h.folded[key], t)
		}
	}
	s.servers[server] = h
	s.total += len(h.tools)
}

// foldedNames are the spellings under which a tool is found: its own name, and
// the public name's part if cleaning made that another one.
func (t *Tool) foldedNames() []string {
	own := fold(t.ID.Tool)
	public := fold(strings.TrimPrefix(t.Name, PublicServer(t.ID.Server)+separator))
	if own == public {
		return []string{own}
	}
	return []string{own, public}
}

// Len is the number of tools.
func (s *Snapshot) Len() int { return s.total }

// Servers lists the servers that have tools, by name. The slice is shared and
// must not be changed.
func (s *Snapshot) Servers() []string { return s.names }

// Tool finds a tool by its ID, nil if there is none.
func (s *Snapshot) Tool(id ID) *Tool {
	if h := s.servers[id.Server]; h != nil {
		return h.byTool[id.Tool]
	}
	return nil
}

// Server gives the tools of one server by public name. The slice is shared and
// must not be changed.
func (s *Snapshot) Server(name string) []*Tool {
	if h := s.servers[name]; h != nil {
		return h.tools
	}
	return nil
}

// All iterates over every tool, server by server in the order of names.
func (s *Snapshot) All() iter.Seq[*Tool] {
	return func(yield func(*Tool) bool) {
		for _, server := range s.names {
			for _, t := range s.servers[server].tools {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// Resolve finds the tools a name can mean, in any spelling a model tends to
// produce: server__tool, server/tool, server:tool, server.tool,
// mcp__router__server__tool, any letter case, '-' for '_', and the bare tool
// name. No result means unknown, several mean the name is ambiguous: as it is
// written it is the name of all of them, or of none.
func (s *Snapshot) Resolve(name string) []*Tool {
	name = strings.TrimSpace(name)
	if t := s.exact(name); t != nil {
		return []*Tool{t}
	}
	folded := fold(name)
	found := s.spelled(folded)
	if len(found) == 0 {
		if rest, ok := cutClientPrefix(folded); ok {
			found = s.spelled(rest)
		}
	}
	if len(found) > 1 {
		found = closest(name, found)
	}
	return found
}

// closest keeps those of several tools that a name spells most exactly.
func closest(name string, found []*Tool) (best []*Tool) {
	most := 0
	for _, t := range found {
		switch n := exactness(name, t.ID); {
		case n > most:
			most, best = n, append(best[:0], t)
		case n == most:
			best = append(best, t)
		}
	}
	return best
}

// exactness tells how much of a tool's name stands letter for letter in a
// spelling of it: 0 for nothing, 1 for its own name, 2 for the server's too.
func exactness(name string, id ID) int {
	rest, ok := strings.CutSuffix(name, id.Tool)
	if !ok {
		return 0
	}
	for _, between := range []string{separator, "/", ":", "."} {
		server, ok := strings.CutSuffix(rest, between)
		if ok && (server == id.Server || strings.HasSuffix(server, separator+id.Server)) {
			return 2
		}
	}
	return 1
}

// exact finds a public name as it is shown.
func (s *Snapshot) exact(name string) *Tool {
	prefix, _, ok := strings.Cut(name, separator)
	if !ok {
		return nil
	}
	if h := s.servers[prefix]; h != nil {
		if t := h.byPublic[name]; t != nil {
			return t
		}
	}
	for _, server := range s.names { // one whose name holds a dot, or the separator
		if t := s.servers[server].byPublic[name]; t != nil {
			return t
		}
	}
	return nil
}

// spelled finds what a folded name can mean, qualified first: a tool that is
// named with its server is not confused with one whose own name looks alike.
func (s *Snapshot) spelled(name string) (found []*Tool) {
	var bare []*Tool
	for _, server := range s.names {
		h := s.servers[server]
		if rest, ok := strings.CutPrefix(name, h.prefix); ok {
			found = append(found, h.folded[rest]...)
			found = append(found, h.folded[strings.TrimLeft(rest, "_")]...)
		}
		bare = append(bare, h.folded[name]...)
	}
	if found = distinct(found); len(found) > 0 {
		return found
	}
	return distinct(bare)
}

func distinct(tools []*Tool) []*Tool {
	slices.SortFunc(tools, byName)
	return slices.Compact(tools)
}

// byName orders tools by public name, and by their own where they share that.
func byName(a, b *Tool) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID.Server, b.ID.Server), cmp.Compare(a.ID.Tool, b.ID.Tool))
}

// cutClientPrefix takes off what clients put before a tool's name, folded:
// mcp__<the name the client gave us>__.
func cutClientPrefix(name string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(name, "mcp"+separator)
	if !ok {
		return "", false
	}
	_, rest, ok = strings.Cut(rest, separator)
	return rest, ok
}
