package shard

import (
	"crypto/sha256"
	"encoding/base64"

	"stentor/engine/bus"
)

// sentID is the header with which a client repeats an unanswered SEND: each attempt carries the same id. On every node, a
// push with this id is published once while history keeps it. Back ends see the header of a forwarded SEND, and can detect
// a repeat by the id and the user.
const sentID = "stentor-id"

// pushID is the push id of a SEND with the id that its client chose. Users choose ids independently of each other and of
// back ends: none can touch another's push, or keep it from being published.
func pushID(user, dest string, id []byte) string {
	if len(id) == 0 {
		return ""
	}
	// Neither of the first two has control characters. A long id is not copied for its hash.
	var few [256]byte
	h := sha256.New()
	h.Write(append(append(append(append(few[:0], user...), 0), dest...), 0))
	h.Write(id)
	sum := h.Sum(few[:0])
	return bus.SentMark + base64.RawURLEncoding.EncodeToString(sum[:16])
}
