package session

// Form is how the STOMP frames of a session travel. The handshake decides on it, and it never changes.
type Form uint8

const (
	// Plain: one STOMP frame in each WebSocket message.
	Plain Form = iota
	// Deflated: the same, and the client accepts compressed messages (RFC 7692).
	Deflated
	// SockJS: frames of SockJS in WebSocket messages.
	SockJS
	// SockJSHTTP: frames of SockJS for its HTTP transports, one a line.
	SockJSHTTP
	// Forms is how many there are.
	Forms
)
