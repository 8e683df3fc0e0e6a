package stomp

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Decoder holds the scratch memory of decoding, which a frame refers to until the next Decode. One Decoder serves all
// connections of a goroutine; the zero value is ready.
type Decoder struct {
	headers []Header
	scratch []byte // unescaped names and values
}

// Decode reads the first frame of b, of a client or of a server, and returns how many bytes of b it has consumed.
//
// n == 0 without an error means that the frame in b is incomplete: call again with the same bytes, more after them, and the
// same p. EOLs and stray NULs before a command are skipped; if b begins with some and no complete frame follows, n counts
// them and f.Command is None: a heart-beat. Afterwards p belongs to b[n:].
//
// f refers to b and to d and is valid until the next Decode. err is an *Error, after which the stream cannot be read any
// further. A limit is enforced as soon as it is certain to be exceeded: for a content-length before the body arrives, for a
// line before it ends.
func (d *Decoder) Decode(b []byte, v Version, lim *Limits, p *Progress, f *Frame) (n int, err error) {
	*f = Frame{}
	if len(b) <= int(p.scan) {
		return 0, nil
	}
	if p.scan == 0 {
		var e *Error
		if n, e = leading(b); e != nil {
			return 0, e
		}
		b = b[n:]
		if len(b) == 0 || b[0] == '\r' {
			return n, nil
		}
	}
	size, e := d.frame(b, v, lim, p, f)
	if e != nil {
		return 0, e
	}
	if size > 0 {
		*p = Progress{}
	}
	return n + size, nil
}

// leading counts the EOLs and NULs at the start of b. A CR at the end of b is left: its LF may still come.
func leading(b []byte) (int, *Error) {
	for i, c := range b {
		switch c {
		case '\n', 0:
		case '\r':
			if i+1 == len(b) {
				return i, nil
			}
			if b[i+1] != '\n' {
				return 0, errBareCR
			}
		default:
			return i, nil
		}
	}
	return len(b), nil
}

// frame decodes the frame at the start of b and returns its size, 0 if it is incomplete. The search continues where it
// stopped, which p knows. Once the frame is known to be complete, it is read from its start, because the scratch memory has
// served other connections in between.
func (d *Decoder) frame(b []byte, v Version, lim *Limits, p *Progress, f *Frame) (size int, e *Error) {
	switch {
	case p.size > 0:
		if len(b) < int(p.size) {
			return 0, nil
		}
	case p.inBody:
		if bytes.IndexByte(b[p.scan:], 0) < 0 {
			return 0, p.waitNUL(b, lim)
		}
	case p.line > 0:
		first := bytes.IndexByte(b, '\n') + 1
		if end, e := d.lines(b, first, lim, p); end == 0 {
			return 0, e
		}
	}

	c, first, e := commandLine(b)
	if first == 0 {
		p.scan = uint32(len(b))
		return 0, e
	}
	start := Progress{scan: uint32(first), line: uint32(first)}
	end, e := d.lines(b, first, lim, &start)
	if end == 0 {
		*p = start
		return 0, e
	}
	if e := d.finishHead(b[:end], c.escapes(v)); e != nil {
		return 0, e
	}
	if d.padded(c, v) && !d.trim() {
		return 0, errColon
	}

	length, known, e := d.bodyLength(c, lim)
	if e != nil {
		return 0, e
	}
	if known {
		size = end + length + 1
		if len(b) < size {
			*p = Progress{scan: uint32(len(b)), size: uint32(size)}
			return 0, nil
		}
		if b[size-1] != 0 {
			if c.hasBody() {
				return 0, errUnterminated
			}
			return 0, errBody
		}
	} else {
		if !p.inBody {
			*p = Progress{scan: uint32(end), line: uint32(end), inBody: true}
		}
		nul := bytes.IndexByte(b[p.scan:], 0)
		if nul < 0 {
			return 0, p.waitNUL(b, lim)
		}
		size = int(p.scan) + nul + 1
		if size-1-end > bound(lim.BodyBytes, maxBytes) {
			return 0, errLongBody
		}
	}
	*f = Frame{Command: c, Headers: d.headers, Body: b[end : size-1]}
	return size, nil
}

// waitNUL notes that b has no NUL after the headers yet.
func (p *Progress) waitNUL(b []byte, lim *Limits) *Error {
	if len(b)-int(p.line) > bound(lim.BodyBytes, maxBytes) {
		return errLongBody
	}
	p.scan = uint32(len(b))
	return nil
}

// lines splits the header lines of b from p on, without unescaping, and returns the offset after the blank line that ends
// them, 0 if that has not come yet. The first header line starts at first.
func (d *Decoder) lines(b []byte, first int, lim *Limits, p *Progress) (end int, e *Error) {
	var (
		maxLines = bound(lim.Headers, maxHeaders)
		maxLine  = bound(lim.LineBytes, maxBytes)
		maxHead  = bound(lim.HeaderBytes, maxBytes)
		headers  = d.headers[:0]
		line     = int(p.line)
		scan     = int(p.scan)
		count    = int(p.lines)
	)
	for {
		nl := bytes.IndexByte(b[scan:], '\n')
		if nl < 0 {
			break
		}
		eol := scan + nl
		text := trimCR(b[line:eol])
		if len(text) == 0 {
			d.headers = headers
			return eol + 1, nil
		}
		switch {
		case count == maxLines:
			return 0, errManyHeaders
		case len(text) > maxLine:
			return 0, errLongLine
		case eol+1-first > maxHead:
			return 0, errLongHead
		}
		colon := bytes.IndexByte(text, ':')
		if colon <= 0 {
			return 0, errColon
		}
		headers = append(headers, Header{Name: text[:colon], Value: text[colon+1:]})
		count++
		line, scan = eol+1, eol+1
	}
	d.headers = headers

	rest := trimCR(b[line:])
	switch {
	case bytes.IndexByte(b[p.scan:], 0) >= 0:
		return 0, errNUL
	case len(rest) > maxLine:
		return 0, errLongLine
	case len(rest) > 0 && count == maxLines:
		return 0, errManyHeaders
	case line+len(rest)-first > maxHead:
		return 0, errLongHead
	}
	*p = Progress{scan: uint32(len(b)), line: uint32(line), lines: uint16(count)}
	return 0, nil
}

// finishHead does the checks that are cheaper on command and headers together, and unescapes d.headers by the rules of v.
func (d *Decoder) finishHead(head []byte, v Version) *Error {
	if bytes.IndexByte(head, 0) >= 0 {
		return errNUL
	}
	if bytes.IndexByte(head, '\r') >= 0 && bytes.Count(head, cr) != bytes.Count(head, crlf) {
		return errBareCR
	}
	if !utf8.Valid(head) {
		return errUTF8
	}
	if v == V10 || bytes.IndexByte(head, '\\') < 0 {
		return nil
	}
	// Unescaping never lengthens: with this much room the scratch does not move while headers refer to it.
	d.scratch = slices.Grow(d.scratch[:0], len(head))
	for i := range d.headers {
		h := &d.headers[i]
		var ok1, ok2 bool
		h.Name, ok1 = d.unescape(h.Name, v)
		h.Value, ok2 = d.unescape(h.Value, v)
		if !ok1 || !ok2 {
			return errEscape
		}
	}
	return nil
}

var (
	cr   = []byte{'\r'}
	crlf = []byte{'\r', '\n'}
)

// unescape returns s itself if nothing in it is escaped, else a copy in the scratch; false for an undefined escape.
func (d *Decoder) unescape(s []byte, v Version) ([]byte, bool) {
	i := bytes.IndexByte(s, '\\')
	if i < 0 {
		return s, true
	}
	start := len(d.scratch)
	for ; i >= 0; i = bytes.IndexByte(s, '\\') {
		if i+1 == len(s) {
			return nil, false
		}
		c, ok := unescaped(s[i+1], v)
		if !ok {
			return nil, false
		}
		d.scratch = append(append(d.scratch, s[:i]...), c)
		s = s[i+2:]
	}
	d.scratch = append(d.scratch, s...)
	return d.scratch[start:], true
}

// padded reports whether the headers of a c may have spaces around names and values that do not belong to them. STOMP
// 1.0 lets clients pad, later versions forbid trimming. A CONNECT is of 1.0 when it offers nothing later.
func (d *Decoder) padded(c Command, v Version) bool {
	switch c {
	case Connected, MessageCommand, Receipt, ErrorCommand:
		return false
	case Connect:
		for _, h := range d.headers {
			if string(bytes.Trim(h.Name, padding)) == "accept-version" {
				return string(bytes.Trim(h.Value, padding)) == V10.String()
			}
		}
		return true
	default:
		return v == V10
	}
}

const padding = " \t"

// trim removes the padding from d.headers. It returns false when nothing of a name is left.
func (d *Decoder) trim() bool {
	for i := range d.headers {
		h := &d.headers[i]
		h.Name, h.Value = bytes.Trim(h.Name, padding), bytes.Trim(h.Value, padding)
		if len(h.Name) == 0 {
			return false
		}
	}
	return true
}

// bodyLength returns how long the body of a c with d.headers is, if that is known before its NUL is seen. The
// content-length of a frame without a body is ignored: stompjs acknowledges with all headers of the MESSAGE.
func (d *Decoder) bodyLength(c Command, lim *Limits) (length int, known bool, e *Error) {
	value, declared := get(d.headers, "content-length")
	if !declared || !c.hasBody() {
		return 0, !c.hasBody(), nil
	}
	most := uint64(bound(lim.BodyBytes, maxBytes))
	n, ok := parseDigits(value, most+1)
	switch {
	case !ok:
		return 0, false, errContentLength
	case n > most:
		return 0, false, errLongBody
	}
	return int(n), true, nil
}
