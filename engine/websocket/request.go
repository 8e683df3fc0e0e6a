package websocket

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Request is what a client's opening handshake says. Its strings alias the bytes that were given to Handshaker.Next:
// they are valid until those change, and at the longest until Next is called again. To keep one, clone it.
type Request struct {
	Path  string // as sent: not unescaped
	Query string // as sent, without the '?'
	Host  string // never empty
	// Options: the method is OPTIONS, with which a page asks what it may do. Only Plain sees such a request.
	Options bool
	// AskedHeaders are those that the page wants to send: Access-Control-Request-Headers.
	AskedHeaders string

	Origin         string
	Authorization  string
	Cookie         string
	Protocols      string // the subprotocols that the client offers, separated by commas
	ForwardedFor   string // X-Forwarded-For, all lines of it joined: nearer proxies add to the end
	ForwardedProto string // X-Forwarded-Proto
	ForwardedHost  string // X-Forwarded-Host
	ForwardedPort  string // X-Forwarded-Port

	// Compress is for Check to set: whether messages may be compressed if the client offers it.
	Compress Compressing
}

// Target returns the host and the scheme that the client itself used, as far as the server can know. The forwarded ones are
// believed only when the request comes from a trusted proxy; of a list the first counts, which is the outermost proxy's. The
// port counts where the host has none, since proxies leave it out of Host; 80 with https is one inside.
func (r *Request) Target(trusted bool) (host string, secure bool) {
	host = r.Host
	if !trusted {
		return host, false
	}
	if forwarded := outermost(r.ForwardedHost); forwarded != "" {
		host = forwarded
	}
	proto := outermost(r.ForwardedProto)
	secure = strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")
	port := outermost(r.ForwardedPort)
	if _, has, ok := splitPort("", host); ok && has == "" && port != "" && (!secure || port != "80") {
		host += ":" + port
	}
	return host, secure
}

// outermost is the first of a list.
func outermost(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// handshake is a Request with what else a handshake needs.
type handshake struct {
	Request
	head       bool // the method is HEAD
	old        bool // HTTP/1.0, as nginx speaks to what is behind it unless it is told otherwise
	key        string
	version    string
	protocol   string // the chosen one
	agent      string // User-Agent
	extensions string // what the client offers, all lines of it joined
	hasUpgrade bool   // Upgrade names websocket
	hasConnect bool   // Connection names upgrade
}

const keySize = 24 // 16 bytes in base64

// parse reads a header block, its empty line included, strictly: it refuses what two parties could read differently.
func (r *handshake) parse(block []byte, protocols []string) *Refusal {
	line, rest, wrong := cutLine(block)
	if wrong != "" {
		return malformed(wrong)
	}
	if refusal := r.parseRequestLine(line); refusal != nil {
		return refusal
	}
	absolute := r.Host
	r.Host = ""
	f := fields{rest: rest, left: maxFields}
	for {
		ok, wrong := f.next()
		if wrong == badAmount {
			return tooMany
		}
		if wrong != "" {
			return malformed(wrong)
		}
		if !ok {
			break
		}
		if wrong = r.parseField(f.name(), f.value, protocols); wrong != "" {
			return malformed(wrong)
		}
	}
	if r.Host == "" {
		return malformed("The header Host is missing.")
	}
	if absolute != "" {
		r.Host = absolute // RFC 9112 section 3.2.2
	}
	switch {
	case !r.hasUpgrade:
		return noUpgrade
	case r.old:
		return tooOld
	case r.head, r.Options:
		return notGet
	case !r.hasConnect:
		return malformed("The header Connection does not name Upgrade. A proxy in between has to send Connection: Upgrade.")
	case r.version != "13":
		return wrongVersion
	case r.key == "":
		return malformed("The header Sec-WebSocket-Key is missing.")
	}
	return nil
}

// parseRequestLine reads the first line; of a target in absolute form it leaves the authority in Host.
func (r *handshake) parseRequestLine(line []byte) *Refusal {
	first, last := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if first == last {
		return malformed("The request line is not a method, a path and a version.")
	}
	method, target, version := line[:first], line[first+1:last], line[last+1:]
	switch r.old = string(version) == "HTTP/1.0"; {
	case !r.old && string(version) != "HTTP/1.1":
		return tooOld
	case string(method) == "HEAD":
		r.head = true
	case string(method) == "OPTIONS":
		r.Options = true
	case string(method) != "GET":
		return notGet
	}
	for _, c := range target {
		if c <= ' ' || c >= 0x7F || c == '#' {
			return malformed("The request's path has a character that must be percent-encoded.")
		}
	}
	if len(target) > 0 && target[0] != '/' {
		_, authority, ok := bytes.Cut(target, schemeEnd)
		end := len(authority)
		if i := bytes.IndexAny(authority, "/?"); i >= 0 {
			end = i
		}
		if !ok || !validHost(authority[:end]) {
			return malformed(badTarget)
		}
		r.Host, target = alias(authority[:end]), authority[end:]
	}
	path, query, _ := bytes.Cut(target, question)
	if len(path) == 0 {
		if r.Host == "" {
			return malformed(badTarget)
		}
		path = slash
	}
	r.Path, r.Query = alias(path), alias(query)
	return nil
}

const badTarget = "The request's path does not begin with a slash."

var (
	question  = []byte{'?'}
	slash     = []byte{'/'}
	schemeEnd = []byte("://")
)

// parseField takes one header line. Those that decide on rights must not occur twice.
func (r *handshake) parseField(name, value []byte, protocols []string) (wrong string) {
	switch string(name) {
	case "host":
		if r.Host != "" || !validHost(value) {
			return "The header Host must come once, with a host and optionally a port."
		}
		r.Host = alias(value)
	case "upgrade":
		r.hasUpgrade = r.hasUpgrade || hasToken(value, "websocket")
	case "connection":
		r.hasConnect = r.hasConnect || hasToken(value, "upgrade")
	case "sec-websocket-key":
		if r.key != "" || !validKey(value) {
			return "The header Sec-WebSocket-Key must come once, with 16 random bytes in base64."
		}
		r.key = alias(value)
	case "sec-websocket-version":
		return once(&r.version, value, "The header Sec-WebSocket-Version must come once.")
	case "sec-websocket-protocol":
		join(&r.Protocols, value)
		if r.protocol == "" {
			r.protocol = choose(value, protocols)
		}
	case "sec-websocket-extensions":
		join(&r.extensions, value)
	case "user-agent":
		if r.agent == "" {
			r.agent = alias(value)
		}
	case "origin":
		return once(&r.Origin, value, "The header Origin must come once.")
	case "authorization":
		return once(&r.Authorization, value, "The header Authorization must come once.")
	case "cookie":
		if r.Cookie == "" {
			r.Cookie = alias(value)
		}
	case "access-control-request-headers":
		join(&r.AskedHeaders, value)
	case "x-forwarded-for":
		join(&r.ForwardedFor, value)
	case "x-forwarded-proto":
		join(&r.ForwardedProto, value)
	case "x-forwarded-host":
		join(&r.ForwardedHost, value)
	case "x-forwarded-port":
		join(&r.ForwardedPort, value)
	case "transfer-encoding":
		return badBody
	case "content-length":
		if string(value) != "0" {
			return badBody
		}
	}
	return ""
}

const badBody = "A WebSocket handshake has no body: send neither Content-Length nor Transfer-Encoding."

func once(field *string, value []byte, wrong string) string {
	if *field != "" {
		return wrong
	}
	*field = alias(value)
	return ""
}

// join adds a line to a header that is a list (RFC 9110 section 5.3).
func join(field *string, value []byte) {
	if *field == "" {
		*field = alias(value)
		return
	}
	*field += ", " + alias(value)
}

// choose returns the first element of offered that is among protocols.
func choose(offered []byte, protocols []string) string {
	for len(offered) > 0 {
		var element []byte
		element, offered = cutElement(offered)
		for _, p := range protocols {
			if string(element) == p {
				return p
			}
		}
	}
	return ""
}

// validHost allows the characters that RFC 3986 section 3.2 does, without user information.
func validHost(b []byte) bool {
	for _, c := range b {
		// Four of a token's characters are not allowed, and ten that no token has are.
		switch c {
		case '#', '^', '`', '|':
			return false
		case ':', '[', ']', '(', ')', ',', ';', '=':
		default:
			if lower[c] == 0 {
				return false
			}
		}
	}
	return len(b) > 0
}

func validKey(b []byte) bool {
	if len(b) != keySize {
		return false
	}
	var raw [18]byte
	n, err := base64.StdEncoding.Decode(raw[:], b)
	return err == nil && n == 16
}
