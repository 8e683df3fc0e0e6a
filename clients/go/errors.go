package client

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ErrEnded is what Next returns when the server has confirmed a Disconnect.
var ErrEnded = errors.New("disconnected")

// ServerError is an ERROR frame: the server says what the client did wrong.
type ServerError struct {
	Message, Code, Body string
	ReceiptID           string // of the frame that it answers, "" if that had none
}

// Error returns the message with its code.
func (e *ServerError) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Message + " (" + e.Code + ")"
}

// CloseError is a close frame: the server ends the connection without an ERROR.
type CloseError struct {
	Code   uint16
	Reason string
}

// Error returns the code with its meaning.
func (e *CloseError) Error() string {
	text := "the server closed the connection: " + strconv.Itoa(int(e.Code))
	switch e.Code {
	case 1001, 1012:
		text += ", the node is leaving"
	case 1013:
		text += ", try again later"
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

// Retry returns how long the server asks to wait before the next attempt: a node that leaves spreads its clients like that.
func (e *CloseError) Retry() (wait time.Duration, ok bool) {
	text, ok := strings.CutPrefix(e.Reason, "retry=")
	if !ok || e.Code != 1012 {
		return 0, false
	}
	text, _, _ = strings.Cut(text, " ")
	ms, err := strconv.ParseUint(text, 10, 32)
	return min(time.Duration(ms)*time.Millisecond, longestWait), err == nil
}
