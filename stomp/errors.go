package stomp

// The codes of an Error, as the code header of the ERROR that answers it.
const (
	CodeProtocol = "protocol"  // the bytes are not STOMP
	CodeTooLarge = "too-large" // something exceeds the Limits
)

// Error says why input cannot be read any further. Its text is fit for the message header of an ERROR: no colon, no
// backslash. All values are created once; the error path allocates nothing.
type Error struct{ Code, Text string }

func (e *Error) Error() string { return e.Text }

var (
	errCommand       = &Error{CodeProtocol, "Unknown command"}
	errBareCR        = &Error{CodeProtocol, "A CR must be followed by LF"}
	errNUL           = &Error{CodeProtocol, "NUL within the headers, a blank line must end them"}
	errColon         = &Error{CodeProtocol, "A header line must be name, colon, value"}
	errUTF8          = &Error{CodeProtocol, "Headers must be UTF-8"}
	errEscape        = &Error{CodeProtocol, "Undefined escape in a header"}
	errContentLength = &Error{CodeProtocol, "content-length must be a decimal number"}
	errUnterminated  = &Error{CodeProtocol, "A NUL must follow the body of content-length bytes"}
	errBody          = &Error{CodeProtocol, "Only SEND, MESSAGE and ERROR may have a body"}
	errHeartbeat     = &Error{CodeProtocol, "heart-beat must be two decimal numbers joined with a comma"}

	errManyHeaders = &Error{CodeTooLarge, "Too many headers"}
	errLongLine    = &Error{CodeTooLarge, "A header is too long"}
	errLongHead    = &Error{CodeTooLarge, "The headers are too long"}
	errLongBody    = &Error{CodeTooLarge, "The body is too long"}
)
