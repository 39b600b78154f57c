package demo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

const (
	maxLine    = 16 << 20  // bytes of one recorded tool
	maxCatalog = 512 << 20 // bytes of a whole catalogue, unpacked
)

// Catalog is a recorded catalogue: what each server listed. A definition is
// kept byte for byte in the shape with a "tool"; the flat shape gives its
// members but for "server".
type Catalog struct {
	Servers []Recorded // by name
}

// Recorded is what one server listed, in its order.
type Recorded struct {
	Name  string // fit for a server's name; differs from the recorded one where that is not
	Tools []json.RawMessage
}

// Tools counts the tools of all servers.
func (c *Catalog) Tools() (n int) {
	for _, s := range c.Servers {
		n += len(s.Tools)
	}
	return n
}

// LoadCatalog reads a recorded catalogue, gzipped or not. A line that is not a
// tool is an error that names it.
func LoadCatalog(path string) (*Catalog, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	defer f.Close()
	in, err := unpacked(f)
	if err != nil {
		return nil, fmt.Errorf("read catalogue %s: %w", path, err)
	}
	c, err := readCatalog(in)
	if err != nil {
		return nil, fmt.Errorf("read catalogue %s: %w", path, err)
	}
	return c, nil
}

// unpacked reads through gzip where a file begins like one.
func unpacked(f io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(f, 64<<10)
	if magic, _ := in.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return in, nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return z, nil
}

func readCatalog(in io.Reader) (*Catalog, error) {
	limited := &io.LimitedReader{R: in, N: maxCatalog + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	byServer, taken := map[string]*Recorded{}, map[string]bool{}
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		server, tool, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		r := byServer[server]
		if r == nil {
			r = &Recorded{Name: freeName(server, taken)}
			byServer[server] = r
		}
		r.Tools = append(r.Tools, tool)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("a line is longer than %d bytes", maxLine)
	case err != nil:
		return nil, err
	case limited.N <= 0:
		return nil, fmt.Errorf("it holds more than %d bytes", maxCatalog)
	case len(byServer) == 0:
		return nil, errors.New("it holds no tools")
	}
	c := &Catalog{}
	for _, r := range slices.SortedFunc(maps.Values(byServer), func(a, b *Recorded) int { return strings.Compare(a.Name, b.Name) }) {
		c.Servers = append(c.Servers, *r)
	}
	return c, nil
}

// parseLine gives the server of a line and its tool's definition.
func parseLine(line []byte) (server string, tool json.RawMessage, err error) {
	var nested struct {
		Server string          `json:"server"`
		Name   string          `json:"name"`
		Tool   json.RawMessage `json:"tool"`
	}
	if err := json.Unmarshal(line, &nested); err != nil {
		return "", nil, fmt.Errorf("not a tool: %w", err)
	}
	switch {
	case nested.Server == "":
		return "", nil, errors.New(`not a tool: "server" is missing`)
	case len(nested.Tool) > 0:
		return nested.Server, bytes.Clone(nested.Tool), nil
	case nested.Name == "":
		return "", nil, errors.New(`not a tool: neither "tool" nor "name" is there`)
	}
	var flat struct {
		Name         json.RawMessage `json:"name"`
		Title        json.RawMessage `json:"title,omitempty"`
		Description  json.RawMessage `json:"description,omitempty"`
		InputSchema  json.RawMessage `json:"inputSchema,omitempty"`
		OutputSchema json.RawMessage `json:"outputSchema,omitempty"`
		Annotations  json.RawMessage `json:"annotations,omitempty"`
	}
	if err := json.Unmarshal(line, &flat); err != nil {
		return "", nil, fmt.Errorf("not a tool: %w", err)
	}
	if flat.InputSchema == nil {
		flat.InputSchema = json.RawMessage(`{"type":"object"}`)
	}
	tool, err = json.Marshal(flat)
	return nested.Server, tool, err
}

// freeName makes a recorded server's name one that a server may have and no
// other has: lower case, odd characters replaced, and where that changed it or
// it is taken, a short hash at the end.
func freeName(recorded string, taken map[string]bool) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(recorded))
	name = strings.Trim(name, "._-")
	if catalog.CheckServerName(name) != nil || taken[name] {
		sum := sha256.Sum256([]byte(recorded))
		stem := strings.NewReplacer(".", "-", "_", "-").Replace(name[:min(len(name), 25)])
		name = strings.Trim(stem+"-"+hex.EncodeToString(sum[:3]), "-")
	}
	taken[name] = true
	return name
}

// Split writes each server's list into a file of its own in dir, from where
// [Run] replays it, and gives the command lines. Files that are there already
// are replaced. Names in reserved belong to other servers; a recorded server of
// such a name gets "-recorded" behind it.
func (c *Catalog) Split(bin, dir string, reserved ...string) ([]Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("split catalogue: %w", err)
	}
	var out []Server
	for _, r := range c.Servers {
		name := r.Name
		if slices.Contains(reserved, name) {
			name += "-recorded"
		}
		file := filepath.Join(dir, name+".jsonl")
		if err := os.WriteFile(file, joinLines(r.Tools), 0o600); err != nil {
			return nil, fmt.Errorf("split catalogue: %w", err)
		}
		out = append(out, Server{Name: name, Command: []string{bin, command, "replay", file}})
	}
	return out, nil
}

func joinLines(tools []json.RawMessage) []byte {
	var b bytes.Buffer
	for _, t := range tools {
		b.Write(t)
		b.WriteByte('\n')
	}
	return b.Bytes()
}
