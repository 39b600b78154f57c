package embed

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord bounds a word; what is longer goes on as another word. It keeps the
// scratch space on the stack and the search for pieces linear in the text.
const maxWord = 64

// pieces calls yield with the row of every known piece of text, in order.
//
// Text is brought to ASCII first: compatibility characters are replaced by
// what they stand for and accents dropped; everything but letters and digits
// separates words. The script that makes the model does exactly the same, and
// a golden test holds the two together.
func (m *Model) pieces(text string, yield func(row int32)) {
	if !ascii(text) {
		text = plain(text)
	}
	start := 0
	for i := range len(text) {
		switch {
		case !alnum(text[i]):
			m.word(text[start:i], yield)
			start = i + 1
		case i-start == maxWord:
			m.word(text[start:i], yield)
			start = i
		}
	}
	m.word(text[start:], yield)
}

// plain decomposes text and drops the accents, which leaves ASCII wherever
// there is a Latin letter under them.
func plain(text string) string {
	b := norm.NFKD.AppendString(make([]byte, 0, len(text)+len(text)/2), text)
	kept := b[:0]
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if !unicode.Is(unicode.Mn, r) {
			kept = append(kept, b[i:i+size]...)
		}
		i += size
	}
	return string(kept)
}

// word yields the pieces of one word of ASCII letters and digits: the word as
// it is if the table has it (so "GitHub" is one piece and not "git hub"), else
// the pieces of its camel-case parts.
func (m *Model) word(word string, yield func(row int32)) {
	if word == "" {
		return
	}
	var buf [maxWord]byte
	low := buf[:len(word)]
	for i := range low {
		low[i] = lower(word[i])
	}
	if row, ok := m.words[string(low)]; ok {
		yield(row)
		return
	}
	start := 0
	for i := 1; i < len(word); i++ {
		if boundary(word, i) {
			m.part(low[start:i], yield)
			start = i
		}
	}
	m.part(low[start:], yield)
}

// boundary tells whether a new word begins at word[i]: before the capital in
// "createIssue" and "s3Bucket", and before the last one in "HTMLParser".
func boundary(word string, i int) bool {
	if !upper(word[i]) {
		return false
	}
	if !upper(word[i-1]) {
		return true
	}
	return i+1 < len(word) && 'a' <= word[i+1] && word[i+1] <= 'z'
}

// part yields the longest known pieces of s from left to right, and skips a
// byte where none fits.
func (m *Model) part(s []byte, yield func(row int32)) {
	table := m.words
	for i := 0; i < len(s); {
		end := min(len(s), i+m.longest)
		for ; end > i; end-- {
			if row, ok := table[string(s[i:end])]; ok {
				yield(row)
				break
			}
		}
		i = max(end, i+1)
		table = m.tails
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func upper(c byte) bool { return 'A' <= c && c <= 'Z' }

func lower(c byte) byte {
	if upper(c) {
		c += 'a' - 'A'
	}
	return c
}
