package sockjs

import "strings"

// Kind is what a path below an endpoint asks for.
type Kind uint8

const (
	// Nothing: no path of SockJS.
	Nothing Kind = iota
	// Greeting: the endpoint itself.
	Greeting
	// Raw: a WebSocket without SockJS.
	Raw
	// Info: what the server can do.
	Info
	// Session: one transport of one session.
	Session
	// NotBuilt: a transport, or a page for one, that this server does not have.
	NotBuilt
)

// Transports that a Session may name.
const (
	WebSocket    = "websocket"
	XHR          = "xhr"
	XHRSend      = "xhr_send"
	XHRStreaming = "xhr_streaming"
	EventSource  = "eventsource"
)

// GreetingText answers a GET of the endpoint itself.
const GreetingText = "Welcome to SockJS!\n"

// Target is what a path asks for. ID and Transport belong to a Session and alias the path.
type Target struct {
	Kind      Kind
	Server    string // chosen by the client, for proxies; it means nothing else
	ID        string // chosen by the client
	Transport string
}

// Parse returns what path, as it was sent, asks for below the endpoint base.
func Parse(base, path string) Target {
	rest, below := strings.CutPrefix(path, strings.TrimSuffix(base, "/"))
	switch {
	case !below:
		return Target{}
	case rest == "" || rest == "/":
		return Target{Kind: Greeting}
	case rest[0] != '/':
		return Target{}
	}
	rest = rest[1:]
	switch {
	case rest == "info":
		return Target{Kind: Info}
	case rest == WebSocket:
		return Target{Kind: Raw}
	case strings.HasPrefix(rest, "iframe") && strings.HasSuffix(rest, ".html") && !strings.Contains(rest, "/"):
		return Target{Kind: NotBuilt}
	}
	server, rest, _ := strings.Cut(rest, "/")
	id, transport, _ := strings.Cut(rest, "/")
	if !name(server) || !name(id) {
		return Target{}
	}
	t := Target{Kind: Session, Server: server, ID: id, Transport: transport}
	switch transport {
	case WebSocket, XHR, XHRSend, XHRStreaming, EventSource:
		return t
	case "jsonp", "jsonp_send", "htmlfile":
		t.Kind = NotBuilt
		return t
	}
	return Target{}
}

// name reports whether a segment of a path can name a server or a session: the protocol allows all but dots.
func name(segment string) bool { return segment != "" && !strings.Contains(segment, ".") }

// Leads reports whether a URL leads to the endpoint at path: it ends in it, and in the longer path of no other endpoint. A proxy may
// have put something before it. all are the paths of all endpoints.
func Leads(url, path string, all []string) bool {
	for _, other := range all {
		if len(other) > len(path) && strings.HasSuffix(url, other) {
			return false
		}
	}
	return strings.HasSuffix(url, path)
}
