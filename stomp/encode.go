package stomp

import "strconv"

// AppendCommand appends the first line of a frame; for None that is an EOL, a heart-beat.
func AppendCommand(dst []byte, c Command) []byte {
	return append(append(dst, c.String()...), '\n')
}

// AppendHeader appends a header line, with name and value escaped as v requires; see AppendEscaped. In 1.0 a colon in the
// name also becomes a space. For CONNECT and CONNECTED v is V10.
func AppendHeader[T ~string | ~[]byte](dst []byte, v Version, name string, value T) []byte {
	return appendHeader(dst, v, name, value)
}

func appendHeader[N, T ~string | ~[]byte](dst []byte, v Version, name N, value T) []byte {
	dst = append(appendEscaped(dst, names[v], name), ':')
	return append(appendEscaped(dst, values[v], value), '\n')
}

// AppendBody appends what follows the headers: the blank line, the body and the NUL. A body that may hold a NUL needs
// a content-length among the headers.
func AppendBody(dst []byte, body []byte) []byte {
	return append(append(append(dst, '\n'), body...), 0)
}

// AppendFrame appends f as v writes it, CONNECT and CONNECTED always without escapes. A body gets a content-length after
// the other headers, unless f has one, which is left as it is, right or wrong.
func AppendFrame(dst []byte, v Version, f *Frame) []byte {
	dst = AppendCommand(dst, f.Command)
	if f.Command == None {
		return dst
	}
	v = f.Command.escapes(v)
	for i := range f.Headers {
		dst = appendHeader(dst, v, f.Headers[i].Name, f.Headers[i].Value)
	}
	if len(f.Body) > 0 {
		if _, ok := f.Get("content-length"); !ok {
			dst = append(dst, "content-length:"...)
			dst = append(strconv.AppendInt(dst, int64(len(f.Body)), 10), '\n')
		}
	}
	return AppendBody(dst, f.Body)
}
