package sockjs

import "strconv"

// Open is the first frame of a session, Heartbeat one that says nothing.
const (
	Open      = "o"
	Heartbeat = "h"
)

// A frame with one message is MessageHead, what Append appends, and MessageTail.
const (
	MessageHead = `a["`
	MessageTail = `"]`
	// MessageExtra is what they have together.
	MessageExtra = len(MessageHead) + len(MessageTail)
)

// AppendMessage appends a frame with one message, which is UTF-8.
func AppendMessage(dst, message []byte) []byte {
	dst = append(dst, MessageHead...)
	dst = Append(dst, message)
	return append(dst, MessageTail...)
}

// AppendClose appends the last frame of a session.
func AppendClose(dst []byte, code int, reason string) []byte {
	dst = append(dst, "c["...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"`...)
	dst = Append(dst, []byte(reason))
	return append(dst, MessageTail...)
}
