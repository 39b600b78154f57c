package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"toolrouter/internal/catalog"
)

// printJSON writes one value as indented JSON. What JSON allows in a text and
// could steer a terminal is escaped on one.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	text := b.Bytes()
	if isTerminal(w) {
		text = steering.ReplaceAllFunc(text, func(c []byte) []byte { return fmt.Appendf(nil, `\u%04x`, []rune(string(c))[0]) })
	}
	_, err := w.Write(text)
	return err
}

// steering are the control characters that JSON does not escape by itself.
var steering = regexp.MustCompile(`[\x{7f}-\x{9f}]`)

// table prints rows in aligned columns under a header.
func table(w io.Writer, header string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = catalog.Printable(cell)
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// lines iterates over the lines of a text, the empty ones left out.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.SplitSeq(text, "\n") {
			if strings.TrimSpace(line) != "" && !yield(line) {
				return
			}
		}
	}
}

// colour reports whether w is a terminal that wants colour.
func colour(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Stat() (os.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// bold marks text on a terminal and leaves it alone in a pipe.
func bold(w io.Writer, s string) string {
	if colour(w) {
		return "\x1b[1m" + s + "\x1b[0m"
	}
	return s
}

// ago says how long something has lasted, in the largest unit that fits.
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// count says how many of a thing there are: "1 tool", "4,633 tools".
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return thousands(n) + " " + thing
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// progressLine gives a function that shows how far something has come, on one
// line of a terminal that each call writes anew, and one that ends the line.
// Where there is no terminal, a line is written every two seconds.
func progressLine(w io.Writer) (show func(format string, args ...any), end func()) {
	var last time.Time
	drawn := false
	show = func(format string, args ...any) {
		switch {
		case isTerminal(w):
			fmt.Fprintf(w, "\r\x1b[Krouter: "+format, args...)
			drawn = true
		case time.Since(last) > 2*time.Second:
			if !last.IsZero() {
				fmt.Fprintf(w, "router: "+format+"\n", args...)
			}
			last = time.Now()
		}
	}
	return show, func() {
		if drawn {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}

// terminalSafe drops from text that is not ours what could steer a terminal. A pipe gets
// the text as it came.
func terminalSafe(w io.Writer, s string) string {
	if !isTerminal(w) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return -1
	}, s)
}
