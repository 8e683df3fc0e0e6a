package stomp

import (
	"bytes"
	"strings"
)

// Command is the first line of a frame. The zero value None stands for no frame at all: a heart-beat.
type Command uint8

// The commands of all versions. Connect is CONNECT and its other spelling STOMP. Two carry a suffix because Message
// and Error are types of this package.
const (
	None Command = iota
	Connect
	Send
	Subscribe
	Unsubscribe
	Ack
	Nack
	Begin
	Commit
	Abort
	Disconnect
	Connected
	MessageCommand
	Receipt
	ErrorCommand
)

var commandNames = [...]string{
	None:           "",
	Connect:        "CONNECT",
	Send:           "SEND",
	Subscribe:      "SUBSCRIBE",
	Unsubscribe:    "UNSUBSCRIBE",
	Ack:            "ACK",
	Nack:           "NACK",
	Begin:          "BEGIN",
	Commit:         "COMMIT",
	Abort:          "ABORT",
	Disconnect:     "DISCONNECT",
	Connected:      "CONNECTED",
	MessageCommand: "MESSAGE",
	Receipt:        "RECEIPT",
	ErrorCommand:   "ERROR",
}

// String returns the command as it is written in a frame, empty for None.
func (c Command) String() string {
	if int(c) >= len(commandNames) {
		return ""
	}
	return commandNames[c]
}

// hasBody reports whether a command may have a body.
func (c Command) hasBody() bool { return c == Send || c == MessageCommand || c == ErrorCommand }

// escapes returns the version whose escapes apply to the headers of c: the two frames that negotiate a version have none.
func (c Command) escapes(v Version) Version {
	if c == Connect || c == Connected {
		return V10
	}
	return v
}

func parseCommand(line []byte) Command {
	switch string(line) {
	case "CONNECT", "STOMP":
		return Connect
	case "SEND":
		return Send
	case "SUBSCRIBE":
		return Subscribe
	case "UNSUBSCRIBE":
		return Unsubscribe
	case "ACK":
		return Ack
	case "NACK":
		return Nack
	case "BEGIN":
		return Begin
	case "COMMIT":
		return Commit
	case "ABORT":
		return Abort
	case "DISCONNECT":
		return Disconnect
	case "CONNECTED":
		return Connected
	case "MESSAGE":
		return MessageCommand
	case "RECEIPT":
		return Receipt
	case "ERROR":
		return ErrorCommand
	}
	return None
}

// commandLine reads the first line of b and returns where the next one starts, 0 when the line has not ended yet.
// It refuses a line that no command begins with, without waiting for the rest.
func commandLine(b []byte) (c Command, next int, e *Error) {
	b = b[:min(len(b), longestCommand)]
	nl := bytes.IndexByte(b, '\n')
	if nl >= 0 {
		c, next = parseCommand(trimCR(b[:nl])), nl+1
	}
	if c == None && (nl >= 0 || !beginsCommand(string(trimCR(b)))) {
		return None, 0, errCommand
	}
	return c, next, nil
}

const longestCommand = len("UNSUBSCRIBE\r\n")

func beginsCommand(s string) bool {
	for _, name := range commandNames[1:] {
		if strings.HasPrefix(name, s) {
			return true
		}
	}
	return strings.HasPrefix("STOMP", s)
}

// trimCR takes one CR off the end of a line: the first half of a CRLF.
func trimCR(line []byte) []byte {
	if k := len(line) - 1; k >= 0 && line[k] == '\r' {
		return line[:k]
	}
	return line
}
