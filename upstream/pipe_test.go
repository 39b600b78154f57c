package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// TestWriteToTheDead makes a request of a backend that has ended and whose end
// was not noticed yet: it has surely not seen it.
func TestWriteToTheDead(t *testing.T) {
	theirs, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, held := io.Pipe() // stays open, as if a grandchild held it
	theirs.Close()
	p := newPipe(in, out, nil, func(err error) error { return err }, slog.New(slog.DiscardHandler))
	defer p.Close()
	defer held.Close()
	_, err = p.request(t.Context(), "tools/call", []byte("{}"), nil)
	var lost *lostError
	if !errors.As(err, &lost) || lost.sent {
		t.Errorf("request = %v, want a lost connection that nothing was sent on", err)
	}
}

// TestFramerBuffers reads lines of all sizes and wants the large buffer given
// back before the next wait.
func TestFramerBuffers(t *testing.T) {
	var in bytes.Buffer
	sizes := []int{10, smallRead - 1, smallRead, smallRead + 1, 10, largeRead - 1, largeRead, 3*largeRead + 5, 0, 10}
	for i, n := range sizes {
		in.WriteString(strings.Repeat(fmt.Sprint(i%10), n) + "\n")
	}
	out, end := io.Pipe()
	f := newFramer(out, maxFrame)
	go func() { // ends when all is read, below
		for in.Len() > 0 {
			_, _ = end.Write(in.Next(largeRead)) // what a pipe holds at most
		}
		_, _ = end.Write([]byte("last\n"))
		end.Close()
	}()
	for i, n := range sizes {
		line, tooLong, err := f.next()
		if err != nil || tooLong || string(line) != strings.Repeat(fmt.Sprint(i%10), n) {
			t.Fatalf("line %d has %d bytes (%v, %v), want %d", i, len(line), tooLong, err, n)
		}
	}
	if line, _, err := f.next(); err != nil || string(line) != "last" {
		t.Fatalf("last line = %q, %v", line, err)
	}
	if f.in.lent != nil {
		t.Error("a large buffer is held while nothing comes")
	}
	if _, _, err := f.next(); !errors.Is(err, io.EOF) {
		t.Errorf("end = %v", err)
	}
}
