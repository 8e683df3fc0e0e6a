package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
)

// The functions of this file walk JSON in place: what they hand out are parts of the bytes that they were given, as
// they came. They expect what json.Valid has accepted, without space around it.

var errNotString = errors.New("is not a string")

// errSurrogate is the one thing in a JSON string that no UTF-8 can stand for (RFC 8259 section 8.2).
var errSurrogate = errors.New(`has half of a surrogate pair (\ud800 to \udfff), which is no character`)

func trimSpace(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }

// object calls each for the members of o in their order, until it returns a problem.
func object(o []byte, each func(name string, value []byte) *problem) *problem {
	for rest := trimSpace(o[1:]); rest[0] != '}'; rest = next(rest) {
		raw, behind := value(rest)
		name, err := text(raw)
		if err != nil {
			return newProblem(http.StatusBadRequest, codeJSON, "the name %s %s", quote(string(raw)), err)
		}
		raw, rest = value(trimSpace(trimSpace(behind)[1:])) // behind the colon
		if p := each(name, raw); p != nil {
			return p
		}
	}
	return nil
}

// array calls each for the elements of a in their order, until it returns a problem.
func array(a []byte, each func(value []byte) *problem) *problem {
	for rest := trimSpace(a[1:]); rest[0] != ']'; rest = next(rest) {
		var raw []byte
		raw, rest = value(rest)
		if p := each(raw); p != nil {
			return p
		}
	}
	return nil
}

// next skips the comma between two members or elements.
func next(rest []byte) []byte {
	rest = trimSpace(rest)
	if rest[0] == ',' {
		return trimSpace(rest[1:])
	}
	return rest
}

// value cuts the value that b begins with from what follows it.
func value(b []byte) (v, rest []byte) {
	switch b[0] {
	case '"':
		n := stringLen(b)
		return b[:n], b[n:]
	case '{', '[':
		for i, depth := 0, 0; ; {
			switch b[i] {
			case '"':
				i += stringLen(b[i:])
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return b[:i], b[i:]
			}
		}
	}
	if i := bytes.IndexAny(b, ",]} \t\r\n"); i >= 0 {
		return b[:i], b[i:]
	}
	return b, nil
}

// stringLen is how many bytes the string that b begins with takes, its quotes included.
func stringLen(b []byte) int {
	i := 1
	for b[i] != '"' {
		if b[i] == '\\' {
			i++
		}
		i++
	}
	return i + 1
}

// text returns what the JSON string v stands for.
func text(v []byte) (string, error) {
	if v[0] != '"' {
		return "", errNotString
	}
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	// encoding/json would put U+FFFD in its place and so change what was sent.
	if loneSurrogate(inner) {
		return "", errSurrogate
	}
	var s string
	err := json.Unmarshal(v, &s)
	return s, err
}

// loneSurrogate says whether the inside of a JSON string escapes one half of a surrogate pair without the other.
func loneSurrogate(s []byte) bool {
	for len(s) > 0 {
		switch half := surrogate(s); {
		case half == 'l', half == 'h' && surrogate(s[6:]) != 'l':
			return true
		case half == 'h':
			s = s[12:]
		case s[0] == '\\':
			s = s[2:]
		default:
			s = s[1:]
		}
	}
	return false
}

// surrogate returns 'h' when s begins with the escape of a high half, 'l' for a low one, else 0.
func surrogate(s []byte) byte {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' || s[2]|0x20 != 'd' {
		return 0
	}
	switch {
	case s[3] >= '8' && s[3] <= '9', s[3]|0x20 == 'a', s[3]|0x20 == 'b':
		return 'h'
	case s[3]|0x20 >= 'c' && s[3]|0x20 <= 'f':
		return 'l'
	}
	return 0
}

// jsonKind names v for an error.
func jsonKind(v []byte) string {
	switch v[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
