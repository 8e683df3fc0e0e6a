package websocket

import (
	"github.com/gobwas/ws"
)

// Error ends a connection: the peer broke RFC 6455. Code and Text are what the close frame says.
type Error struct {
	Code ws.StatusCode
	Text string
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

var (
	errLengthSign   = &Error{ws.StatusProtocolError, "frame length has its most significant bit set"}
	errLengthForm   = &Error{ws.StatusProtocolError, "frame length is not in its shortest form"}
	errFrameTooBig  = &Error{ws.StatusMessageTooBig, "frame is larger than the limit"}
	errText         = &Error{ws.StatusInvalidFramePayloadData, "text message is not valid UTF-8"}
	errCloseLength  = &Error{ws.StatusProtocolError, "close frame has an incomplete status code"}
	errCloseCode    = &Error{ws.StatusProtocolError, "close frame has a status code that must not be sent"}
	errCloseReason  = &Error{ws.StatusInvalidFramePayloadData, "close reason is not valid UTF-8"}
	errAnswerTooBig = &AnswerError{Text: "the header block of the server's answer is too large"}
)
