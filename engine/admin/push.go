package admin

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stentor/engine/bus"
	"stentor/stomp"
)

// Bounds of one push besides its payload.
const (
	maxTargets      = 1000
	maxDestination  = 1024
	maxUser         = 1024
	maxSession      = 128
	maxID           = 128
	maxContentType  = 255
	maxHeaders      = 64
	maxHeaderBytes  = 16 << 10 // names and values together
	maxTTL          = 366 * 24 * time.Hour
	textContent     = "text/plain;charset=UTF-8"
	jsonContent     = "application/json"
	binaryContent   = "application/octet-stream"
	idempotencyName = "Idempotency-Key"
	// idSeparator separates an id from what is added to it for one of several pushes. Callers' ids do not contain it, so
	// that no id made here equals one of theirs.
	idSeparator = "#"
)

// pushFields are the names of a push, in the order in which an error lists them.
var pushFields = []string{"topic", "topics", "user", "users", "session", "destination", "payload", "payload_base64",
	"content_type", "ttl_ms", "headers", "id"}

// A push is a request that has been read: one record for each target.
type push struct {
	project string
	id      string
	many    bool // it was sent with a list of targets and is answered with one
	records []*bus.Record
}

// push answers POST /v1/projects/{project}/push.
func (a *api) push(w http.ResponseWriter, r *http.Request, project string) *problem {
	if _, p := query(r); p != nil {
		return p
	}
	return a.one(w, r, func(key string, raw []byte) (*push, *problem) {
		push, p := a.readPush(project, key, raw)
		if p == nil && key != "" && key != push.id {
			p = badField("id is %s and %s is %s: send one of them, or both alike", quote(push.id), idempotencyName, quote(key))
		}
		return push, p
	})
}

// one takes a request that is one push in JSON: read reads it, whose id is key when it names none itself.
func (a *api) one(w http.ResponseWriter, r *http.Request, read func(key string, raw []byte) (*push, *problem)) *problem {
	if _, p := media(r, jsonMedia); p != nil {
		return p
	}
	key, p := idempotencyKey(r)
	if p != nil {
		return p
	}
	raw, release, p := a.body(r, a.pushBody())
	if p != nil {
		return p
	}
	defer release()
	turn, p := a.turn(r, raw)
	if p != nil {
		return p
	}
	defer turn.end()
	if raw, p = valid(raw); p != nil {
		return p
	}
	push, p := read(key, raw)
	if p != nil {
		return p
	}
	return a.send(w, r, push, turn)
}

// pushBody is how long the request of one push may be: twice the payload, since JSON and base64 make it longer.
func (a *api) pushBody() int64 { return 2*a.o.PushBytes + envelopeBytes }

// readPush reads the JSON text of one push. key is its id when it names none itself; "" for a new one.
func (a *api) readPush(project, key string, raw []byte) (*push, *problem) {
	m, p := members(raw, pushFields, true)
	if p != nil {
		return nil, p
	}
	r := bus.Record{Project: project, Time: a.o.Now()}
	id, p := pushID(m["id"], key)
	if p != nil {
		return nil, p
	}
	if p := a.readPayload(&r, m["payload"], m["payload_base64"]); p != nil {
		return nil, p
	}
	if v := m["content_type"]; v != nil {
		if r.ContentType, p = plainText("content_type", v, maxContentType); p != nil {
			return nil, p
		}
	}
	if v := m["ttl_ms"]; v != nil {
		if r.TTL, p = ttl(v); p != nil {
			return nil, p
		}
	}
	if v := m["headers"]; v != nil {
		if r.Headers, p = userHeaders(v); p != nil {
			return nil, p
		}
	}
	return a.address(m, r, id)
}

// pushID chooses the id of a push: the field's, else key, else a new one.
func pushID(field []byte, key string) (string, *problem) {
	if field == nil {
		if key == "" {
			key = newID()
		}
		return key, nil
	}
	id, err := text(field)
	if err != nil {
		return "", badField("id %s: send a string", err)
	}
	return id, checkID("id", id)
}

// idempotencyKey reads the header that stands for id. Quotes around it, as in a structured field, are not part of it.
func idempotencyKey(r *http.Request) (string, *problem) {
	all := r.Header.Values(idempotencyName)
	if len(all) == 0 {
		return "", nil
	}
	if len(all) > 1 {
		return "", badField("%s is present %d times: send it once", idempotencyName, len(all))
	}
	key := all[0]
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = key[1 : len(key)-1]
	}
	return key, checkID(idempotencyName, key)
}

func checkID(name, id string) *problem {
	if len(id) == 0 || len(id) > maxID || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(idSeparator, c) }) {
		return badField("%s is %s: send 1 to %d visible ASCII characters other than %s", name, quote(id), maxID, idSeparator)
	}
	return nil
}

// readPayload sets the body and the content type that goes with the payload's form.
func (a *api) readPayload(r *bus.Record, payload, encoded []byte) *problem {
	switch {
	case payload != nil && encoded != nil:
		return badField("both payload and payload_base64 are present: send one")
	case payload == nil && encoded == nil:
		return badField("there is no payload: send payload (a string or any JSON) or payload_base64 (bytes)")
	case encoded != nil:
		s, err := text(encoded)
		if err != nil {
			return badField("payload_base64 %s: send a string", err)
		}
		if r.Body, err = base64.StdEncoding.DecodeString(s); err != nil {
			return badField("payload_base64 is not base64 (RFC 4648 section 4, with padding): %s", err)
		}
		r.ContentType = binaryContent
	case payload[0] == '"':
		s, err := text(payload)
		if err != nil {
			return badField("payload %s: correct it, or send payload_base64", err)
		}
		r.Body, r.ContentType = []byte(s), textContent
	default:
		// A copy: the record may outlive the request, and must not hold all of its body.
		r.Body, r.ContentType = bytes.Clone(payload), jsonContent
	}
	if n := int64(len(r.Body)); n > a.o.PushBytes {
		return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge,
			"the payload has %d bytes, at most %d are allowed: send less, or raise limits.push_bytes", n, a.o.PushBytes)
	}
	return nil
}

func ttl(v []byte) (time.Duration, *problem) {
	ms, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || ms < 1 || ms > maxTTL.Milliseconds() {
		return 0, badField("ttl_ms is %s: send a whole number of milliseconds from 1 to %d, or leave it out", quote(string(v)), maxTTL.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// userHeaders reads the headers object, in its order.
func userHeaders(v []byte) ([]bus.Header, *problem) {
	if v[0] != '{' {
		return nil, badField("headers is %s: send an object of strings", jsonKind(v))
	}
	var all []bus.Header
	size := 0
	p := object(v, func(name string, v []byte) *problem {
		value, err := text(v)
		switch {
		case err != nil:
			return badField("header %s %s: send its value as a string", quote(name), err)
		case name == "" || strings.ContainsAny(name, ":\r\n\x00"):
			return badField("header %s: a name has at least one character and no ':', CR, LF or NUL", quote(name))
		case stomp.ReservedHeader(name):
			return badField("header %s is STOMP's or the server's own: choose another name (content_type, id and destination are fields of the push)", quote(name))
		case strings.ContainsRune(value, 0):
			return badField("header %s: a value must not hold NUL", quote(name))
		case slices.ContainsFunc(all, func(h bus.Header) bool { return h.Name == name }):
			return badField("header %s is present twice: send it once", quote(name))
		case len(all) == maxHeaders:
			return badField("there are more than %d headers: send fewer", maxHeaders)
		}
		if size += len(name) + len(value); size > maxHeaderBytes {
			return badField("the headers have more than %d bytes: send less, or put it into the payload", maxHeaderBytes)
		}
		all = append(all, bus.Header{Name: name, Value: value})
		return nil
	})
	return all, p
}

// address makes one record of r for each target that m names.
func (a *api) address(m map[string][]byte, r bus.Record, id string) (*push, *problem) {
	var by string
	for _, name := range []string{"topic", "topics", "user", "users", "session"} {
		if m[name] == nil {
			continue
		}
		if by != "" {
			return nil, badField("both %s and %s are present: send one kind of target", by, name)
		}
		by = name
	}
	if by == "" {
		return nil, badField("there is no target: send topic, topics, user, users or session")
	}
	toTopic := by == "topic" || by == "topics"
	if toTopic && m["destination"] != nil {
		return nil, badField("destination goes with user, users and session: put a full destination into %s", by)
	}
	if !toTopic {
		dest, p := userDestination(m["destination"], by)
		if p != nil {
			return nil, p
		}
		r.Destination = dest
	}
	targets, many, p := targets(by, m[by])
	if p != nil {
		return nil, p
	}
	push := &push{project: r.Project, id: id, many: many, records: make([]*bus.Record, len(targets))}
	for i, t := range targets {
		one := r
		one.ID = id
		if many {
			one.ID = id + idSeparator + strconv.Itoa(i+1)
		}
		switch {
		case toTopic:
			one.Destination, p = a.topic(r.Project, t)
		case by == "session":
			one.Session, p = t, checkName("session", t, maxSession)
		default:
			one.User, p = t, checkName("user", t, maxUser)
		}
		if p != nil {
			return nil, p
		}
		push.records[i] = &one
	}
	return push, unique(push)
}

// targets reads the value of the field by, one string or a list of them.
func targets(by string, v []byte) (all []string, many bool, p *problem) {
	if by != "topics" && by != "users" {
		one, err := text(v)
		if err != nil {
			return nil, false, badField("%s %s: send a string", by, err)
		}
		return []string{one}, false, nil
	}
	if v[0] != '[' {
		return nil, false, badField("%s is %s: send an array of strings", by, jsonKind(v))
	}
	p = array(v, func(v []byte) *problem {
		one, err := text(v)
		if err != nil {
			return badField("an element of %s %s: send strings", by, err)
		}
		if len(all) == maxTargets {
			return badField("%s has more than %d elements: send several pushes", by, maxTargets)
		}
		all = append(all, one)
		return nil
	})
	if p == nil && len(all) == 0 {
		p = badField("%s is empty: name at least one", by)
	}
	return all, true, p
}

// unique refuses a list that names a target twice, which would be delivered twice.
func unique(u *push) *problem {
	seen := make(map[[2]string]bool, len(u.records))
	for _, r := range u.records {
		k := [2]string{r.User, r.Destination}
		if seen[k] {
			return badField("%s is present twice: name each target once", quote(r.User+r.Destination))
		}
		seen[k] = true
	}
	return nil
}

// topic returns the full destination for a topic of project.
func (a *api) topic(project, topic string) (string, *problem) {
	if topic == "" {
		return "", badField(`topic is empty: send a name like "all", or a full destination like "/topic/%s/all"`, project)
	}
	dest := topic
	if topic[0] != '/' {
		dest = "/topic/" + project + "/" + topic
	}
	if dest == "/user" || strings.HasPrefix(dest, "/user/") {
		return "", badField(`topic %s is a user's own: send "user" and "destination" for a user, or "session" and "destination"`, quote(topic))
	}
	if p := checkDestination("topic", dest); p != nil {
		return "", p
	}
	if !a.o.Projects.Own(project, dest) {
		return "", newProblem(http.StatusForbidden, codeForbidden,
			"%s is outside project %s: use a destination of this project; a topic without a leading / is put below /topic/%s/", quote(dest), quote(project), project)
	}
	return dest, nil
}

// userDestination reads where in a user's own space a push goes: /queue/orders, which clients subscribe to as
// /user/queue/orders. The latter form is accepted as well.
func userDestination(v []byte, by string) (string, *problem) {
	if v == nil {
		return "", badField(`%s needs destination: the part of the client's subscription after /user, like "/queue/orders"`, by)
	}
	dest, err := text(v)
	if err != nil {
		return "", badField("destination %s: send a string", err)
	}
	if short, ok := strings.CutPrefix(dest, "/user/"); ok {
		dest = "/" + short
	}
	if len(dest) < 2 || dest[0] != '/' {
		return "", badField(`destination is %s: start it with /, like "/queue/orders"`, quote(dest))
	}
	return dest, checkDestination("destination", dest)
}

func checkDestination(field, dest string) *problem {
	switch {
	case len(dest) > maxDestination:
		return badField("%s has %d bytes, at most %d are allowed: shorten it", field, len(dest), maxDestination)
	case strings.ContainsFunc(dest, unicode.IsControl):
		return badField("%s %s has control characters: leave them out", field, quote(dest))
	case strings.ContainsAny(dest, "*?"):
		return badField("%s %s has * or ?: patterns are for subscriptions, a push names one destination (topics takes several)", field, quote(dest))
	}
	return nil
}

func checkName(field, name string, most int) *problem {
	if name == "" || len(name) > most || strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
		return badField("%s is %s: send 1 to %d bytes without control characters", field, quote(name), most)
	}
	return nil
}

// plainText reads a string that becomes one header value.
func plainText(field string, v []byte, most int) (string, *problem) {
	s, err := text(v)
	if err != nil {
		return "", badField("%s %s: send a string", field, err)
	}
	return s, checkName(field, s, most)
}
