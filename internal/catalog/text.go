package catalog

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FirstSentence is the start of a description up to the end of its first
// sentence or paragraph, without control characters and at most max bytes long.
// Text that is cut for its length ends in an ellipsis.
func FirstSentence(description string, max int) string {
	s := strings.TrimSpace(Printable(opening(description)))
	for i, r := range s {
		if end := i + utf8.RuneLen(r); endsSentence(r, s[:i], s[end:]) {
			s = s[:end]
			break
		}
	}
	if len(s) <= max {
		return s
	}
	cut := strings.TrimSuffix(Clip(s, max), "…")
	if i := strings.LastIndexByte(cut, ' '); i > max/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,;:") + "…"
}

// opening is a text up to its first blank line. After a heading, and after a line
// that ends in a colon, what it leads to is still to come.
func opening(s string) string {
	last, end := "", 0
	for line := range strings.Lines(s) {
		end += len(line)
		if line = strings.TrimSpace(line); line != "" {
			last = line
		} else if last != "" && !strings.HasPrefix(last, "#") && !strings.HasSuffix(last, ":") {
			return s[:end]
		}
	}
	return s
}

// endsSentence tells whether a sentence ends with a character.
func endsSentence(r rune, before, after string) bool {
	switch r {
	case '.', '!', '?':
		return after == "" || after[0] == ' ' && !abbreviated(before)
	case '。', '！', '？': // no space follows these, but quotes and brackets may close
		next, _ := utf8.DecodeRuneInString(after)
		return !strings.ContainsRune("。！？…」』）】》”’\")", next)
	}
	return false
}

// abbreviated tells a short form from the last word of a sentence.
func abbreviated(before string) bool {
	for _, short := range []string{"e.g", "i.e", "etc", "vs", "approx", " no"} {
		if len(before) >= len(short) && strings.EqualFold(before[len(before)-len(short):], short) {
			return true
		}
	}
	return false
}

// steering matches whole commands to a terminal: CSI, OSC and the short ones. A
// command that loses only its first character would leave its rest in the text.
var steering = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b(?:[#-/]?[0-~])?")

// Printable makes text from a backend fit to be shown on one line: white space
// of every kind becomes one space, and what could steer a terminal or hide
// words (control, format, bidi and private characters) is dropped.
func Printable(s string) string {
	if strings.ContainsAny(s, "\x1b\u009b") {
		s = steering.ReplaceAllString(s, "")
	}
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = true
		case !unicode.IsPrint(r), r == utf8.RuneError, unicode.Is(unicode.Cf, r):
		default:
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Clip cuts text to at most max bytes, never within a character, and shows with
// an ellipsis that it did. max is at least 3, the size of that.
func Clip(s string, max int) string {
	if len(s) <= max {
		return s
	}
	end := max - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
