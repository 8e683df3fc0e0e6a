package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// Bounds of a beat.
const (
	MaxBeatBytes = 8 << 10
	MaxURLs      = 8
	MaxURLBytes  = 512
	maxNodeID    = 128
	maxWord      = 64          // of instance and version
	maxCount     = 100_000_000 // connections of one node, and all other counts
)

// States of a beat. A draining node is still up: others with its id have to see it.
const (
	Up   = "up"
	Left = "left"
)

// Beat is what a node says of itself, every second, in a compacted topic, with its id as the key. Fields that a reader does not
// know are ignored, those that a writer does not know are zero.
type Beat struct {
	Instance string `json:"instance"` // of the process
	State    string `json:"state"`    // Up or Left
	// First is the offset of this instance's first beat, -1 until the node knows it.
	First int64 `json:"first"`
	// Sent is when it was sent, in milliseconds since the process began to beat.
	Sent int64 `json:"sent_ms"`
	// Ready is whether the node accepts clients, and Late how late it reads pushes, in milliseconds.
	Ready bool  `json:"ready"`
	Late  int64 `json:"late_ms"`

	// At is when it was sent by the node's clock, in Unix milliseconds. It bounds how long a copy of the beat can be used.
	At int64 `json:"at_ms,omitempty"`
	Status
}

// Status is the part of a beat that says where the node is and how busy it is.
type Status struct {
	URLs        []string `json:"urls,omitempty"`        // for clients: ws or wss
	API         string   `json:"api,omitempty"`         // for the other nodes: http or https
	Capacity    int64    `json:"capacity,omitempty"`    // connections that it takes
	Connections int64    `json:"connections,omitempty"` // that it has
	Opening     int64    `json:"opening,omitempty"`     // accepted in a second
	Deliveries  int64    `json:"deliveries,omitempty"`  // messages handed to clients in a second
	CPU         float64  `json:"cpu,omitempty"`         // share of the processors that it may use, 0 to 1
	Memory      int64    `json:"memory,omitempty"`      // bytes
	Draining    bool     `json:"draining,omitempty"`    // it accepts no new clients, and closes those it has
	Version     string   `json:"version,omitempty"`     // of the program
}

var errBeat = errors.New("this is no beat of a node")

// decode reads a beat, with all fields within their bounds: values beyond them are dropped or cut.
func decode(value []byte) (b Beat, err error) {
	if json.Unmarshal(value, &b) != nil || b.State != Up && b.State != Left || len(b.Instance) > maxWord || b.Sent < 0 || b.At < 0 {
		return Beat{}, errBeat
	}
	b.Late = min(max(b.Late, 0), 1e12)
	for _, n := range []*int64{&b.Capacity, &b.Connections, &b.Opening, &b.Deliveries} {
		*n = min(max(*n, 0), maxCount)
	}
	b.Memory = max(b.Memory, 0)
	b.CPU = share(b.CPU)
	if len(b.Version) > maxWord || !visible(b.Version) {
		b.Version = ""
	}
	if CheckURL(b.API, "http", "https") != nil {
		b.API = ""
	}
	kept := b.URLs[:0]
	for _, u := range b.URLs {
		if len(kept) < MaxURLs && CheckURL(u, "ws", "wss") == nil {
			kept = append(kept, u)
		}
	}
	b.URLs = kept
	return b, nil
}

// CheckURL returns what is wrong with an address that a node advertises, nil if nothing is. A valid address needs no
// escaping in a JSON string.
func CheckURL(text string, schemes ...string) error {
	if len(text) > MaxURLBytes {
		return errors.New("it is longer than 512 bytes")
	}
	if !visible(text) || strings.ContainsAny(text, `"\<>`) {
		return errors.New("it has a character that no address has")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("it is no address")
	case u.Scheme != schemes[0] && u.Scheme != schemes[1]:
		return errors.New("it does not begin with " + schemes[0] + ":// or " + schemes[1] + "://")
	case u.Hostname() == "" || u.Opaque != "":
		return errors.New("it names no host")
	case u.User != nil:
		return errors.New("it has a name and password")
	case strings.Contains(text, "#"):
		return errors.New("it has a fragment, which is never sent")
	}
	return nil
}

// visible reports whether text has only visible ASCII characters.
func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// ValidID reports whether a node may have this id: 1 to 128 letters, digits and characters of "._-".
func ValidID(id string) bool {
	if id == "" || len(id) > maxNodeID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// Encode returns the beat as it is written to the topic, sealed if there is a key. Without a key it advertises nothing: its
// addresses could not be told from forged ones.
func Encode(b Beat, node string, key []byte) []byte {
	if len(key) == 0 {
		b.URLs, b.API = nil, ""
	}
	b.CPU = share(b.CPU)
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false) // it would make an address six times as long
	if err := e.Encode(b); err != nil {
		panic(err) // fields of such types can be encoded
	}
	value := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	if len(key) == 0 {
		return value
	}
	return seal(key, node, value)
}

// share limits x to a share of the whole, 0 to 1. NaN becomes 0.
func share(x float64) float64 {
	if x != x {
		return 0
	}
	return min(max(x, 0), 1)
}
