package endpoint

import "bytes"

// This file changes JSON objects without decoding them: what is not ours to
// change stays as it is, byte for byte.

// each goes through the members of a valid JSON object, keys as they stand
// between their quotes, until f returns false. It reports whether the document
// was an object and was gone through as far as f wanted.
func each(doc []byte, f func(key []byte, start, end int) bool) bool {
	pos := skipSpace(doc, 0)
	if pos >= len(doc) || doc[pos] != '{' {
		return false
	}
	for pos = skipSpace(doc, pos+1); pos < len(doc) && doc[pos] == '"'; pos = skipSpace(doc, pos+1) {
		end := skipText(doc, pos)
		key := doc[pos+1 : max(end-1, pos+1)]
		if pos = skipSpace(doc, end); pos >= len(doc) || doc[pos] != ':' {
			return false
		}
		start := skipSpace(doc, pos+1)
		if pos = skipValue(doc, start); pos == start {
			return false
		}
		if !f(key, start, pos) {
			return true
		}
		if pos = skipSpace(doc, pos); pos >= len(doc) || doc[pos] != ',' {
			break
		}
	}
	return pos < len(doc) && doc[pos] == '}'
}

func skipSpace(doc []byte, pos int) int {
	for pos < len(doc) && (doc[pos] == ' ' || doc[pos] == '\n' || doc[pos] == '\t' || doc[pos] == '\r') {
		pos++
	}
	return pos
}

// skipText gives the place after a string that begins at pos.
func skipText(doc []byte, pos int) int {
	for pos++; ; pos++ {
		i := bytes.IndexByte(doc[pos:], '"')
		if i < 0 {
			return len(doc)
		}
		pos += i
		slashes := 0
		for doc[pos-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return pos + 1
		}
	}
}

// skipValue gives the place after a value that begins at pos.
func skipValue(doc []byte, pos int) int {
	for open := 0; pos < len(doc); {
		switch doc[pos] {
		case '"':
			pos = skipText(doc, pos)
		case '{', '[':
			open++
			pos++
			continue
		case '}', ']':
			if open == 0 {
				return pos
			}
			open--
			pos++
		case ',':
			if open == 0 {
				return pos
			}
			pos++
			continue
		case ':', ' ', '\n', '\t', '\r':
			pos++
			continue
		default:
			pos = skipScalar(doc, pos)
		}
		if open == 0 {
			return pos
		}
	}
	return pos
}

// skipScalar gives the place after a number or a word.
func skipScalar(doc []byte, pos int) int {
	for pos++; pos < len(doc); pos++ {
		switch doc[pos] {
		case ',', ':', ']', '}', ' ', '\n', '\t', '\r', '"':
			return pos
		}
	}
	return pos
}

// member gives one member's value as it stands, nil if there is none.
func member(doc []byte, key string) (value []byte) {
	each(doc, func(k []byte, start, end int) bool {
		if string(k) == key {
			value = doc[start:end]
		}
		return value == nil
	})
	return value
}

// appendWith appends an object with one member more at its start. What is not
// an object is appended as it is.
func appendWith(dst, object []byte, key string, value []byte) []byte {
	open := skipSpace(object, 0)
	if open >= len(object) || object[open] != '{' {
		return append(dst, object...)
	}
	dst = append(dst, '{', '"')
	dst = append(dst, key...)
	dst = append(dst, '"', ':')
	dst = append(dst, value...)
	rest := object[open+1:]
	if next := skipSpace(rest, 0); next < len(rest) && rest[next] != '}' {
		dst = append(dst, ',')
	}
	return append(dst, rest...)
}

// appendModern appends a result as revision 2026-07-28 wants it, with a
// resultType, if it does not have one. The serverInfo that the revision recommends
// is not added: the result may be a backend's, whose _meta is not ours.
func appendModern(dst, result []byte) []byte {
	if member(result, "resultType") != nil {
		return append(dst, result...)
	}
	return appendWith(dst, result, "resultType", []byte(`"complete"`))
}

// oneLine puts a JSON document on one line. Outside of strings a line break is
// mere white space, and inside of one it cannot stand.
func oneLine(doc []byte) []byte {
	for i, c := range doc {
		if c == '\n' || c == '\r' {
			doc[i] = ' '
		}
	}
	return doc
}
