package eval

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

// The files of a set's folder.
const (
	toolsFile   = "tools.jsonl"
	queriesFile = "queries.jsonl"
)

// maxLine bounds one line of a file: a definition at its limit, with room for
// what stands around it.
const maxLine = 4 * catalog.MaxDefinition

// Set is a catalogue and queries about it.
type Set struct {
	Name    string // of the folder
	Tools   []*catalog.Tool
	Queries []Query
	Absent  []catalog.ID // wanted by queries and in no catalogue: misses, whatever the search does
}

// Query is one request with its answers.
type Query struct {
	ID     string
	Text   string
	Wanted []Wanted // at least one
}

// Wanted is a tool that answers a query, and those that count as it.
type Wanted struct {
	ID       catalog.ID
	CountsAs []catalog.ID
}

// Load reads a set from its folder. Whoever shows its result should tell what is
// Absent, for that is the set's fault.
func Load(dir string) (Set, error) {
	tools, err := LoadTools(filepath.Join(dir, toolsFile))
	if err != nil {
		return Set{}, err
	}
	name, err := filepath.Abs(dir) // "." has a name as well
	if err != nil {
		name = dir
	}
	s := Set{Name: filepath.Base(name), Tools: tools}
	known := make(map[string]catalog.ID, len(tools))
	for _, t := range tools {
		known[t.ID.String()] = t.ID
	}
	seen := map[string]bool{}
	err = eachLine(filepath.Join(dir, queriesFile), func(line []byte) error {
		q, err := readQuery(line, known)
		if err != nil {
			return err
		}
		if seen[q.ID] {
			return fmt.Errorf("query %q is there already", q.ID)
		}
		seen[q.ID] = true
		s.Queries = append(s.Queries, q)
		for _, w := range q.Wanted {
			if known[w.ID.String()] != w.ID && !slices.Contains(s.Absent, w.ID) {
				s.Absent = append(s.Absent, w.ID)
			}
		}
		return nil
	})
	if err != nil {
		return Set{}, err
	}
	if len(s.Queries) == 0 {
		return Set{}, fmt.Errorf("%s: no queries", filepath.Join(dir, queriesFile))
	}
	return s, nil
}

// LoadTools reads a catalogue, gzipped or not: a line per tool, as a set has them,
// {"server", "name", "description", "inputSchema"}, or as it was recorded,
// {"server", "tool": {"name", …}}. Of two tools with the same name the first
// counts.
func LoadTools(path string) ([]*catalog.Tool, error) {
	var tools []*catalog.Tool
	seen := map[catalog.ID]bool{}
	err := eachLine(path, func(line []byte) error {
		t, err := readTool(line)
		if err != nil {
			return err
		}
		if !seen[t.ID] {
			seen[t.ID] = true
			tools = append(tools, t)
		}
		return nil
	})
	return tools, err
}

func readTool(line []byte) (*catalog.Tool, error) {
	var of struct {
		Server string          `json:"server"`
		Tool   json.RawMessage `json:"tool"`
	}
	if err := json.Unmarshal(line, &of); err != nil {
		return nil, err
	}
	if of.Server == "" {
		return nil, errors.New("a tool without a server")
	}
	if len(of.Tool) > 0 {
		line = of.Tool
	}
	return catalog.NewTool(of.Server, line)
}

// With gives the set in a crowd: its catalogue with more tools beside its own. A
// tool that the set has itself is not taken twice.
func (s Set) With(more []*catalog.Tool) Set {
	own := make(map[catalog.ID]bool, len(s.Tools))
	for _, t := range s.Tools {
		own[t.ID] = true
	}
	all := append(make([]*catalog.Tool, 0, len(s.Tools)+len(more)), s.Tools...)
	for _, t := range more {
		if !own[t.ID] {
			all = append(all, t)
		}
	}
	s.Tools = all
	return s
}

func readQuery(line []byte, known map[string]catalog.ID) (Query, error) {
	var q struct {
		ID           string              `json:"id"`
		Query        string              `json:"query"`
		Relevant     []string            `json:"relevant"`
		Alternatives map[string][]string `json:"alternatives"`
	}
	if err := json.Unmarshal(line, &q); err != nil {
		return Query{}, err
	}
	switch {
	case q.ID == "":
		return Query{}, errors.New("a query without an id")
	case strings.TrimSpace(q.Query) == "":
		return Query{}, fmt.Errorf("query %q asks nothing", q.ID)
	case len(q.Relevant) == 0:
		return Query{}, fmt.Errorf("query %q has no answer", q.ID)
	}
	out := Query{ID: q.ID, Text: q.Query}
	for _, name := range q.Relevant {
		w := Wanted{ID: idOf(name, known)}
		if out.wants(w.ID) {
			continue
		}
		for _, other := range q.Alternatives[name] {
			w.CountsAs = append(w.CountsAs, idOf(other, known))
		}
		out.Wanted = append(out.Wanted, w)
	}
	return out, nil
}

// idOf reads server/name. Only the catalogue knows where the name begins if the
// server's name holds a slash; for a tool it does not have, the first one counts.
func idOf(name string, known map[string]catalog.ID) catalog.ID {
	if id, ok := known[name]; ok {
		return id
	}
	server, tool, _ := strings.Cut(name, "/")
	return catalog.ID{Server: server, Tool: tool}
}

func (q Query) wants(id catalog.ID) bool {
	return slices.ContainsFunc(q.Wanted, func(w Wanted) bool { return w.ID == id })
}

// eachLine calls f for every line of a file that holds something. Errors name
// the file and the line.
func eachLine(path string, f func([]byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in, err := unpacked(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	number := 0
	for lines.Scan() {
		number++
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if err := f(lines.Bytes()); err != nil {
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", path, number+1, err)
	}
	return nil
}

// unpacked reads through gzip where a file begins like one.
func unpacked(file io.Reader) (io.Reader, error) {
	in := bufio.NewReader(file)
	if magic, _ := in.Peek(2); string(magic) != "\x1f\x8b" {
		return in, nil
	}
	return gzip.NewReader(in)
}
