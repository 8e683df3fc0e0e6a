package shard

import (
	"crypto/sha256"
	"encoding/base64"

	"stentor/engine/bus"
)

// sentID is the header under which a client sends a SEND again that had no answer: the same id with each attempt. What is
// pushed has it once, as long as history keeps it, on every node. Back ends that get a SEND forwarded see the header, and can
// tell a repeated one by it and the user.
const sentID = "stentor-id"

// pushID is the push id of a SEND with the id that its client chose. Users choose theirs without regard to each other, and to
// back ends: none gets at another's push, or keeps it from being published.
func pushID(user, dest, id string) string {
	if id == "" {
		return ""
	}
	// None of the first two has control characters.
	sum := sha256.Sum256([]byte(user + "\x00" + dest + "\x00" + id))
	return bus.SentMark + base64.RawURLEncoding.EncodeToString(sum[:16])
}
