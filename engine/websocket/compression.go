package websocket

import "strings"

// Compression is what became of permessage-deflate (RFC 7692) in a handshake.
type Compression uint8

const (
	// CompressionOff: the endpoint has none, whatever the client offered.
	CompressionOff Compression = iota
	// CompressionNotOffered: the client did not offer it.
	CompressionNotOffered
	// CompressionAgreed: both sides may compress messages, each with an empty window.
	CompressionAgreed
	// CompressionWindow: declined. The server was asked for a window of less than 32 KiB, which compress/flate does not have.
	CompressionWindow
	// CompressionParameters: declined. A parameter is unknown, repeated, or has a value that is not allowed.
	CompressionParameters
	// CompressionWebKit: declined. Apple's WebSocket fails on some compressed messages.
	CompressionWebKit
	// Compressions is how many there are.
	Compressions
)

// String is the name as metrics have it.
func (c Compression) String() string {
	return [Compressions]string{"off", "not_offered", "agreed", "window", "parameters", "webkit"}[c]
}

// Compressing is what a Check wants of permessage-deflate.
type Compressing uint8

const (
	CompressNever Compressing = iota
	// CompressUnlessWebKit declines it to Apple's WebSocket, which browsers on WebKit and applications use.
	CompressUnlessWebKit
	CompressAlways
)

// webKit reports whether a client is known by its User-Agent to use Apple's WebSocket. Chrome's names AppleWebKit as well, and
// has its own.
func webKit(agent string) bool {
	return strings.Contains(agent, "CFNetwork/") ||
		strings.Contains(agent, "AppleWebKit/") && !strings.Contains(agent, "Chrome/") && !strings.Contains(agent, "Chromium/")
}

// negotiate decides on the offers of a handshake and returns the extension's parameters for the answer, which are the same
// for all but one: a window of 32 KiB has to be confirmed where it was asked for. The client's window is never limited. wrong
// says what is malformed: RFC 6455 section 9.1 wants such a handshake to fail.
func (r *handshake) negotiate() (c Compression, window, wrong bool) {
	if r.Compress == CompressNever {
		return CompressionOff, false, false
	}
	c = CompressionNotOffered
	for list := (offers{rest: r.extensions}); ; {
		found, ok := list.next()
		switch {
		case !ok:
			return c, false, true
		case found == nil:
			return c, window, false
		case c == CompressionAgreed || found.name != "permessage-deflate":
			continue // it is read to the end: it may be malformed
		}
		offer := found.judge()
		if offer == CompressionAgreed && r.Compress == CompressUnlessWebKit && webKit(r.agent) {
			offer = CompressionWebKit
		}
		if offer == CompressionAgreed {
			window = found.window
		}
		if c == CompressionNotOffered || offer == CompressionAgreed {
			c = offer // the first reason stays
		}
	}
}

// offer is one element of Sec-WebSocket-Extensions.
type offer struct {
	name   string
	window bool // server_max_window_bits is 15
	small  bool // it is less
	bad    bool // a parameter is not allowed
	seen   uint8
}

func (o *offer) judge() Compression {
	switch {
	case o.bad:
		return CompressionParameters
	case o.small:
		return CompressionWindow
	}
	return CompressionAgreed
}

// Parameters of permessage-deflate (RFC 7692 section 7.1).
var deflateParameters = [...]string{"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"}

// take takes a parameter.
func (o *offer) take(name, value string, hasValue bool) {
	for i, known := range deflateParameters {
		if name != known {
			continue
		}
		bit := uint8(1) << i
		o.bad = o.bad || o.seen&bit != 0
		o.seen |= bit
		switch name {
		case "server_max_window_bits":
			o.bad = o.bad || !windowBits(value)
			o.window = value == "15"
			o.small = !o.window
		case "client_max_window_bits":
			o.bad = o.bad || hasValue && !windowBits(value)
		default:
			o.bad = o.bad || hasValue
		}
		return
	}
	o.bad = true
}

// windowBits reports whether v is from 8 to 15, without leading zeros.
func windowBits(v string) bool {
	return len(v) == 1 && (v[0] == '8' || v[0] == '9') || len(v) == 2 && v[0] == '1' && v[1] >= '0' && v[1] <= '5'
}

// offers reads a list of extensions (RFC 6455 section 9.1).
type offers struct {
	rest  string
	offer offer
}

// next reads an element, nil at the end. It reports false when the list is malformed.
func (l *offers) next() (*offer, bool) {
	for l.skip(); l.accept(','); l.skip() { // empty elements (RFC 9110 section 5.6.1)
	}
	if l.rest == "" {
		return nil, true
	}
	l.offer = offer{name: l.token()}
	if l.offer.name == "" {
		return nil, false
	}
	for l.accept(';') {
		name := l.token()
		if name == "" {
			return nil, false
		}
		value, hasValue := "", l.accept('=')
		if hasValue {
			if value = l.value(); value == "" {
				return nil, false
			}
		}
		l.offer.take(name, value, hasValue)
	}
	return &l.offer, l.rest == "" || l.rest[0] == ','
}

func (l *offers) skip() {
	for l.rest != "" && isSpace(l.rest[0]) {
		l.rest = l.rest[1:]
	}
}

// accept reads a delimiter, with the white space around it.
func (l *offers) accept(c byte) bool {
	l.skip()
	if l.rest == "" || l.rest[0] != c {
		return false
	}
	l.rest = l.rest[1:]
	l.skip()
	return true
}

// token reads one, empty when there is none.
func (l *offers) token() string {
	n := 0
	for n < len(l.rest) && lower[l.rest[n]] != 0 {
		n++
	}
	token := l.rest[:n]
	l.rest = l.rest[n:]
	return token
}

// value reads a token, which may be quoted, empty when there is none. One with escapes is no value of any parameter, and is
// returned as it stands.
func (l *offers) value() string {
	if l.rest == "" || l.rest[0] != '"' {
		return l.token()
	}
	for i := 1; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == '"':
			v := l.rest[1:i]
			l.rest = l.rest[i+1:]
			return v
		case c == '\\' && i+1 < len(l.rest) && lower[l.rest[i+1]] != 0:
			i++
		case lower[c] == 0:
			return ""
		}
	}
	return ""
}
