package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/server"

	"toolrouter/internal/catalog"
)

const (
	maxRead    = 256 << 10 // bytes of a file shown at once
	maxFile    = 4 << 20   // bytes of a file written or searched
	maxEntries = 1000      // of a folder listed
	maxVisited = 20000     // entries that one search looks at
	maxMatches = 100
)

// folder is what the tools of the server "files" work on. An os.Root keeps
// every path inside it, symbolic links included.
type folder struct{ root *os.Root }

func runFiles(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	return serve(ctx, filesServer(root), in, out)
}

func filesServer(root *os.Root) *server.MCPServer {
	s := newServer("files", "Files", "Files of one folder. Paths are relative to it and use '/'.")
	f := folder{root}
	add(s, "list_directory", "List the files and folders in a folder, with their sizes.", reads, f.list)
	add(s, "read_file", "Read a text file, whole or a range of its lines.", reads, f.read)
	add(s, "write_file", "Write text to a file: create it, replace it, or append to it. Missing folders are created.", replaces, f.write)
	add(s, "search_files", "Find files whose name or content contains a text, ignoring letter case. Gives path, line number and line.", reads, f.search)
	addRecord(s, "file_info", "Tell size, kind, permissions and time of last change of a file or folder.", reads, f.info)
	add(s, "move_file", "Move or rename a file or folder. Never overwrites what is already there.", writes, f.move)
	add(s, "delete_file", "Delete a file or an empty folder.", deletes, f.remove)
	return s
}

type listIn struct {
	Path string `json:"path,omitempty" jsonschema:"the folder; left out, the topmost one"`
}

func (f folder) list(_ context.Context, in listIn) (string, error) {
	dir := inside(in.Path)
	entries, err := fs.ReadDir(f.root.FS(), dir)
	if err != nil {
		return "", teach(dir, err)
	}
	if len(entries) == 0 {
		return "the folder is empty", nil
	}
	var b strings.Builder
	for i, e := range entries {
		if i == maxEntries {
			fmt.Fprintf(&b, "… and %d more; search_files finds a file by its name\n", len(entries)-i)
			break
		}
		if e.IsDir() {
			fmt.Fprintf(&b, "%s/\n", e.Name())
		} else if info, err := e.Info(); err == nil {
			fmt.Fprintf(&b, "%s (%d bytes)\n", e.Name(), info.Size())
		}
	}
	return b.String(), nil
}

type readIn struct {
	Path  string `json:"path" jsonschema:"the file"`
	First int    `json:"first_line,omitempty" jsonschema:"first line to read, counted from 1"`
	Lines int    `json:"lines,omitempty" jsonschema:"how many lines to read; left out, all"`
}

func (f folder) read(_ context.Context, in readIn) (string, error) {
	name := inside(in.Path)
	data, err := f.load(name)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return "", fmt.Errorf("%s is not text (%d bytes): file_info tells about it", name, len(data))
	}
	if in.First > 1 || in.Lines > 0 {
		data = lineRange(data, max(in.First, 1), in.Lines)
	}
	if len(data) > maxRead {
		return "", fmt.Errorf("%s has more than the %d bytes that are read at once: give first_line and lines", name, maxRead)
	}
	return string(data), nil
}

// lineRange gives n lines from the first on, the rest if n is not positive.
func lineRange(data []byte, first, n int) []byte {
	lines := bytes.SplitAfter(data, []byte("\n"))
	lines = lines[min(first-1, len(lines)):]
	if n > 0 {
		lines = lines[:min(n, len(lines))]
	}
	return bytes.Join(lines, nil)
}

// load reads a file of bounded size.
func (f folder) load(name string) ([]byte, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, teach(name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, teach(name, err)
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder: list_directory shows what is in it", name)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d this server reads", name, info.Size(), maxFile)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, teach(name, err)
	}
	return data, nil
}

type writeIn struct {
	Path    string `json:"path" jsonschema:"the file"`
	Content string `json:"content" jsonschema:"the text to write"`
	Append  bool   `json:"append,omitempty" jsonschema:"add to the end instead of replacing the file"`
}

func (f folder) write(_ context.Context, in writeIn) (string, error) {
	name := inside(in.Path)
	if len(in.Content) > maxFile {
		return "", fmt.Errorf("content has %d bytes, more than the %d this server writes", len(in.Content), maxFile)
	}
	if dir := path.Dir(name); dir != "." {
		if err := f.root.MkdirAll(dir, 0o755); err != nil {
			return "", teach(dir, err)
		}
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if in.Append {
		mode = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	file, err := f.root.OpenFile(name, mode, 0o644)
	if err != nil {
		return "", teach(name, err)
	}
	_, err = file.WriteString(in.Content)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", teach(name, err)
	}
	return fmt.Sprintf("wrote %d bytes to %s", len(in.Content), name), nil
}

type searchIn struct {
	Query string `json:"query" jsonschema:"the text to look for in names and contents"`
	Path  string `json:"path,omitempty" jsonschema:"only in this folder; left out, everywhere"`
}

func (f folder) search(ctx context.Context, in searchIn) (string, error) {
	query := strings.ToLower(strings.TrimSpace(in.Query))
	if query == "" {
		return "", errors.New("query is empty: say which text to look for")
	}
	var found []string
	visited, start := 0, inside(in.Path)
	err := fs.WalkDir(f.root.FS(), start, func(name string, e fs.DirEntry, err error) error {
		visited++
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && name == start:
			return teach(start, err)
		case err != nil || name == ".": // what cannot be read is not found
			return nil
		case len(found) >= maxMatches || visited > maxVisited:
			return fs.SkipAll
		}
		found = append(found, f.matches(name, e, query)...)
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return fmt.Sprintf("nothing contains %q", in.Query), nil
	case len(found) >= maxMatches:
		found = append(found[:maxMatches], "… and more: search for something rarer, or in one folder")
	}
	return strings.Join(found, "\n"), nil
}

// matches gives what of one entry contains the query: its name, and its lines.
func (f folder) matches(name string, e fs.DirEntry, query string) (out []string) {
	if strings.Contains(strings.ToLower(e.Name()), query) {
		out = append(out, name)
	}
	if !e.Type().IsRegular() {
		return out
	}
	data, err := f.load(name)
	if err != nil || !utf8.Valid(data) {
		return out
	}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if strings.Contains(strings.ToLower(line), query) {
			out = append(out, fmt.Sprintf("%s:%d: %s", name, number, catalog.Clip(strings.TrimSpace(line), 200)))
		}
		if len(out) >= maxMatches {
			break
		}
	}
	return out
}

type pathIn struct {
	Path string `json:"path" jsonschema:"the file or folder"`
}

type fileInfo struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind" jsonschema:"file, folder or other"`
	Size     int64     `json:"size" jsonschema:"in bytes"`
	Mode     string    `json:"mode" jsonschema:"permissions, as ls shows them"`
	Modified time.Time `json:"modified"`
}

func (f folder) info(_ context.Context, in pathIn) (fileInfo, error) {
	name := inside(in.Path)
	i, err := f.root.Stat(name)
	if err != nil {
		return fileInfo{}, teach(name, err)
	}
	kind := "other"
	switch {
	case i.IsDir():
		kind = "folder"
	case i.Mode().IsRegular():
		kind = "file"
	}
	return fileInfo{Path: name, Kind: kind, Size: i.Size(), Mode: i.Mode().String(), Modified: i.ModTime().UTC()}, nil
}

type moveIn struct {
	From string `json:"from" jsonschema:"what to move"`
	To   string `json:"to" jsonschema:"its new path, name included"`
}

func (f folder) move(_ context.Context, in moveIn) (string, error) {
	from, to := inside(in.From), inside(in.To)
	if _, err := f.root.Lstat(to); err == nil {
		return "", fmt.Errorf("%s is there already: give another name, or delete it first", to)
	}
	if err := f.root.MkdirAll(path.Dir(to), 0o755); err != nil {
		return "", teach(path.Dir(to), err)
	}
	if err := f.root.Rename(from, to); err != nil {
		return "", teach(from, err)
	}
	return fmt.Sprintf("moved %s to %s", from, to), nil
}

func (f folder) remove(_ context.Context, in pathIn) (string, error) {
	name := inside(in.Path)
	if name == "." {
		return "", errors.New("the topmost folder cannot be deleted")
	}
	if entries, err := fs.ReadDir(f.root.FS(), name); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("%s is a folder with %d entries: delete those first", name, len(entries))
	}
	if err := f.root.Remove(name); err != nil {
		return "", teach(name, err)
	}
	return "deleted " + name, nil
}

// inside reads a path as one relative to the folder: "", "/" and "." are the
// folder itself. What leads out of it is left for os.Root to refuse.
func inside(p string) string {
	p = strings.TrimLeft(p, "/")
	if p == "" {
		return "."
	}
	return path.Clean(p)
}

// teach says what was wrong with a path and what to do next.
func teach(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s: list_directory shows what there is, search_files finds it", name)
	case strings.Contains(err.Error(), "escapes") || errors.Is(err, fs.ErrInvalid):
		return fmt.Errorf("%s leads out of the folder: paths are relative to it and stay inside", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: not permitted", name)
	}
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err // the operating system's own path says nothing more
	}
	return fmt.Errorf("%s: %w", name, err)
}
