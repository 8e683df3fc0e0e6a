package kafka

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stentor/engine/bus"
	"stentor/kafka/internal/librdkafka"
)

// Header is one header of a record in Kafka.
type Header = librdkafka.Header

// Record is a push as it is stored in Kafka. What the reader passes to Decode is lent.
type Record struct {
	Key     []byte
	Value   []byte
	Headers []Header
	Time    time.Time
}

// Key returns the key of a push. Pushes with the same key are in one partition, and so in order.
func Key(r *bus.Record) string {
	switch {
	case r.Session != "":
		return "session/" + r.Session
	case r.User != "":
		return "user/" + r.User
	default:
		return r.Destination
	}
}

// keyed reports whether key is the Key of r.
func keyed(r *bus.Record, key []byte) bool {
	prefix, rest := "", r.Destination
	switch {
	case r.Session != "":
		prefix, rest = "session/", r.Session
	case r.User != "":
		prefix, rest = "user/", r.User
	}
	return len(key) == len(prefix)+len(rest) && string(key[:len(prefix)]) == prefix && string(key[len(prefix):]) == rest
}

// Encode makes the record of a push. It shares r's body.
func Encode(r *bus.Record) Record {
	out := Record{Key: []byte(Key(r)), Value: r.Body, Time: r.Time, Headers: make([]Header, 0, 6+len(r.Headers))}
	add := func(name, value string) {
		if value != "" {
			out.Headers = append(out.Headers, Header{Name: name, Value: []byte(value)})
		}
	}
	add(headerDestination, r.Destination)
	add(headerUser, r.User)
	add(headerSession, r.Session)
	add(headerContentType, r.ContentType)
	add(headerID, r.ID)
	if r.TTL > 0 {
		add(headerTTL, strconv.FormatInt(max(1, r.TTL.Milliseconds()), 10))
	}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, Header{Name: plainName(h.Name), Value: []byte(h.Value)})
	}
	return out
}

// EncodeInbound makes the record of what a client sent to the back ends. Those of one session stay in order.
func EncodeInbound(m *bus.Inbound) Record {
	out := Encode(&bus.Record{
		Destination: m.Destination, User: m.User, Session: m.Session, ContentType: m.ContentType, Headers: m.Headers, Body: m.Body, Time: m.Time,
	})
	out.Key = []byte(m.Session)
	return out
}

// What is wrong with a record that cannot be delivered.
var (
	errForeign = errors.New("it is for another project")
	errOutside = errors.New("its destination is outside the project")
)

// Bounds of what names a push, the same as in the API.
const (
	maxDestination = 1024
	maxName        = 1024
	maxID          = 1024
	maxContentType = 255
	maxTTL         = 366 * 24 * time.Hour
)

// Decoder reads records. It belongs to one goroutine. It keeps one copy of the destinations and headers, since nearly all
// records of a topic name the same few.
type Decoder struct {
	Own func(project, destination string) bool // says whether a destination is a project's

	words   words
	push    bus.Record
	headers []bus.Header
}

// Decode reads a record of project's topic. The push is valid until the next call; it shares the record's value, and
// nothing else.
func (d *Decoder) Decode(project string, in *Record) (r *bus.Record, left Lost, err error) {
	r = &d.push
	*r = bus.Record{Project: project, Time: in.Time, Body: in.Value}
	if err := d.names(r, in.Headers); err != nil {
		return nil, left, err
	}
	if r.Destination == "" {
		if err := openEnvelope(r); err != nil {
			return nil, left, err
		}
	}
	r.Headers, left = d.passOn(in.Headers)
	return r, left, check(r, d.Own)
}

// names reads the headers that have a meaning here. Of a repeated header the first counts.
func (d *Decoder) names(r *bus.Record, all []Header) (err error) {
	var destination, user, session, contentType, id, ttl bool // were found
	first := func(found *bool) bool {
		before := *found
		*found = true
		return !before
	}
	for i := range all {
		h := &all[i]
		switch {
		case h.Name == headerDestination && first(&destination):
			r.Destination = d.words.of(h.Value)
		case h.Name == headerUser && first(&user):
			r.User = string(h.Value)
		case h.Name == headerSession && first(&session):
			r.Session = string(h.Value)
		case h.Name == headerContentType && first(&contentType):
			r.ContentType = d.words.of(h.Value)
		case h.Name == headerID && first(&id):
			r.ID = string(h.Value)
		case h.Name == headerTTL && first(&ttl):
			if r.TTL, err = parseTTL(string(h.Value)); err != nil {
				return err
			}
		}
	}
	return nil
}

func parseTTL(s string) (time.Duration, error) {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms < 1 || ms > maxTTL.Milliseconds() {
		return 0, fmt.Errorf("its %s is %s, not a number of milliseconds from 1 to %d", headerTTL, short(s), maxTTL.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// check completes a destination and refuses what no client could subscribe to.
func check(r *bus.Record, own func(project, destination string) bool) error {
	for _, part := range []struct {
		name, value string
		most        int
	}{
		{headerDestination, r.Destination, maxDestination}, {headerUser, r.User, maxName}, {headerSession, r.Session, maxName},
		{headerContentType, r.ContentType, maxContentType}, {headerID, r.ID, maxID},
	} {
		if len(part.value) > part.most || !printable(part.value) {
			return fmt.Errorf("its %s is %s: at most %d bytes of UTF-8 without control characters are allowed", part.name, short(part.value), part.most)
		}
	}
	if strings.ContainsAny(r.Destination, "*?") {
		return fmt.Errorf("its destination %s has * or ?: a push names one destination", short(r.Destination))
	}
	if r.User != "" || r.Session != "" {
		if behind, ok := strings.CutPrefix(r.Destination, "/user/"); ok {
			r.Destination = "/" + behind
		}
		if len(r.Destination) < 2 || r.Destination[0] != '/' {
			return fmt.Errorf("its destination is %s: for a user it begins with /, as in /queue/orders", short(r.Destination))
		}
		return nil
	}
	if r.Destination[0] != '/' {
		r.Destination = "/topic/" + r.Project + "/" + r.Destination
	}
	if strings.HasPrefix(r.Destination, "/user/") {
		return fmt.Errorf("its destination %s belongs to a user, and there is no header %s", short(r.Destination), headerUser)
	}
	if len(r.Destination) > maxDestination || !own(r.Project, r.Destination) {
		return errOutside
	}
	return nil
}

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
		}
	}
	return true
}

// short quotes what a record held, cut to fit a log line.
func short(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}
