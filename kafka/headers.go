package kafka

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"stentor/engine/bus"
	"stentor/stomp"
)

// Headers of a record that mean something to Stentor. Of a repeated one the first counts.
const (
	headerDestination = "destination"
	headerUser        = "user"
	headerSession     = "session"
	headerContentType = "content-type"
	headerTTL         = "ttl-ms"
	headerID          = "push-id"
	// headerPlain is a prefix: clients get the header without it, even if the rest of the name has a meaning here. So
	// a push through the API can have a header with any name.
	headerPlain = "stentor-header-"
)

// Bounds of the headers that one record passes on to clients, the same as in the API.
const (
	maxHeaders     = 64
	maxHeaderBytes = 16 << 10
)

// dropped reports whether a header belongs to the tools between producer and broker, and means nothing to clients.
func dropped(name string) bool {
	for _, prefix := range [...]string{"__", "spring_", "kafka_", "ce_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "traceparent" || name == "tracestate" || name == "b3" || strings.HasPrefix(name, "X-B3-")
}

// own reports whether the codec gives name a meaning.
func own(name string) bool {
	switch name {
	case headerDestination, headerUser, headerSession, headerContentType, headerTTL, headerID:
		return true
	}
	return false
}

// plainName is the name of a push's header in the record.
func plainName(name string) string {
	if own(name) || dropped(name) || strings.HasPrefix(name, headerPlain) {
		return headerPlain + name
	}
	return name
}

// Lost counts headers that no client gets.
type Lost struct {
	Invalid  int // not UTF-8, no name that STOMP could carry, too many or too long
	Reserved int // STOMP's own, or the server's
}

// passOn reads the headers that go to clients; the list is valid until the next call. Those of the drop list are omitted
// silently; others that cannot be passed on are counted.
func (d *Decoder) passOn(all []Header) (list []bus.Header, lost Lost) {
	size := 0
	list = d.headers[:0]
	for i := range all {
		h := &all[i]
		name, plain := strings.CutPrefix(h.Name, headerPlain)
		if !plain && (own(name) || dropped(name)) {
			continue
		}
		if stomp.ReservedHeader(name) {
			lost.Reserved++
			continue
		}
		size += len(name) + len(h.Value)
		if !carries(name, h.Value) || len(list) == maxHeaders || size > maxHeaderBytes {
			lost.Invalid++
			continue
		}
		if !has(list, name) {
			list = append(list, bus.Header{Name: d.words.same(name), Value: string(h.Value)})
		}
	}
	if len(list) == 0 {
		return nil, lost
	}
	d.headers = list
	return list, lost
}

func carries(name string, value []byte) bool {
	return name != "" && utf8.ValidString(name) && utf8.Valid(value) &&
		!strings.ContainsAny(name, ":\r\n\x00") && bytes.IndexByte(value, 0) < 0
}

func has(list []bus.Header, name string) bool {
	for _, h := range list {
		if h.Name == name {
			return true
		}
	}
	return false
}
