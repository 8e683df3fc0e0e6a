package stomp

// escapes says how each byte of a name or value is written: 0 as itself, ' ' as a space, a letter or a backslash as that
// character after a backslash. What a version cannot express becomes a space, and so does NUL in all versions, because
// some clients split frames at it.
type escapes [256]byte

var (
	values10 = escapes{0: ' ', '\n': ' ', '\r': ' '}
	names10  = escapes{0: ' ', '\n': ' ', '\r': ' ', ':': ' '}
	all11    = escapes{0: ' ', '\n': 'n', '\r': ' ', ':': 'c', '\\': '\\'}
	all12    = escapes{0: ' ', '\n': 'n', '\r': 'r', ':': 'c', '\\': '\\'}

	names  = [...]*escapes{V10: &names10, V11: &all11, V12: &all12}
	values = [...]*escapes{V10: &values10, V11: &all11, V12: &all12}
)

// AppendEscaped appends a header value as v writes it. In 1.0, which has no escapes, CR and LF become a space, as CR
// does in 1.1 and NUL in all versions. For CONNECT and CONNECTED v is V10.
func AppendEscaped[T ~string | ~[]byte](dst []byte, v Version, value T) []byte {
	return appendEscaped(dst, values[v], value)
}

func appendEscaped[T ~string | ~[]byte](dst []byte, by *escapes, s T) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		c := by[s[i]]
		if c == 0 {
			continue
		}
		dst = append(dst, s[start:i]...)
		if c != ' ' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// escapedLen returns how many bytes appendEscaped appends.
func escapedLen(by *escapes, s string) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		if by[s[i]] > ' ' {
			n++
		}
	}
	return n
}

// unescaped returns what a backslash and c stand for, false when v does not define that.
func unescaped(c byte, v Version) (byte, bool) {
	switch {
	case c == 'n':
		return '\n', true
	case c == 'c':
		return ':', true
	case c == '\\':
		return '\\', true
	case c == 'r' && v == V12:
		return '\r', true
	}
	return 0, false
}
