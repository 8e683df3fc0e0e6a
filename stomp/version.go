package stomp

import "bytes"

// Version is a version of the protocol. The zero value is 1.0, which is also used before CONNECTED: it has no escapes, and
// neither have CONNECT and CONNECTED in any version.
type Version uint8

// The versions, in ascending order.
const (
	V10 Version = iota
	V11
	V12
)

// Versions lists all versions, as in the version header of an ERROR when client and server have none in common.
const Versions = "1.0,1.1,1.2"

// String returns the version as the headers accept-version and version write it.
func (v Version) String() string {
	switch v {
	case V10:
		return "1.0"
	case V11:
		return "1.1"
	case V12:
		return "1.2"
	}
	return "unknown"
}

// Subprotocol returns the version's WebSocket subprotocol.
func (v Version) Subprotocol() string {
	switch v {
	case V10:
		return "v10.stomp"
	case V11:
		return "v11.stomp"
	case V12:
		return "v12.stomp"
	}
	return ""
}

// ParseSubprotocol is the inverse of Subprotocol.
func ParseSubprotocol(s string) (Version, bool) {
	for v := V10; v <= V12; v++ {
		if s == v.Subprotocol() {
			return v, true
		}
	}
	return V10, false
}

// Negotiate returns the highest version in a CONNECT's accept-version that this package supports, false when there is
// none. Without the header it is 1.0. Spaces around the commas are tolerated.
func Negotiate(acceptVersion []byte, present bool) (Version, bool) {
	if !present {
		return V10, true
	}
	best, found := V10, false
	for more := true; more; {
		var item []byte
		item, acceptVersion, more = bytes.Cut(acceptVersion, comma)
		item = bytes.TrimSpace(item)
		for v := V10; v <= V12; v++ {
			if string(item) == v.String() {
				best, found = max(best, v), true
			}
		}
	}
	return best, found
}

var comma = []byte{','}
