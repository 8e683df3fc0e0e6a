package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// envelopeBytes is what a push may take around its payload.
const envelopeBytes = 64 << 10

// media returns the request's media type when it is one of those, else the problem to answer.
func media(r *http.Request, those ...string) (string, *problem) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return "", newProblem(http.StatusUnsupportedMediaType, codeMediaType, "Content-Encoding %s is not supported: send the body as it is", quote(e))
	}
	sent := r.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(sent) // its parameters have no meaning (RFC 8259 section 11)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || !slices.Contains(those, kind) {
		return "", newProblem(http.StatusUnsupportedMediaType, codeMediaType, "Content-Type is %s: send %s", quote(sent), strings.Join(those, " or "))
	}
	return kind, nil
}

// firstRead is the buffer for a body before any of it has arrived.
const firstRead = 4 << 10

// body reads the request's body of at most limit bytes. A body that is declared too long is refused unread; any other is
// charged to the key's owner as it arrives, not as it was declared. The caller calls release when nothing refers to the
// body any longer.
func (a *api) body(r *http.Request, limit int64) (b []byte, release func(), p *problem) {
	tooLarge := func() *problem {
		return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "the body may have at most %d bytes: send less at once, or raise limits.push_bytes or limits.batch_bytes", limit)
	}
	if r.ContentLength > limit {
		return nil, nil, tooLarge()
	}
	owner := ""
	if in, ok := r.Body.(*incoming); ok {
		owner = in.owner
	}
	want := r.ContentLength
	if want < 0 {
		want = limit + 1
	}
	defer func() {
		if p != nil {
			a.memory.give(owner, int64(cap(b)))
			b, release = nil, nil
		}
	}()
	for int64(len(b)) < want {
		if len(b) == cap(b) {
			room := min(max(firstRead, 2*int64(cap(b))), want)
			if p = a.memory.take(owner, room-int64(cap(b))); p != nil {
				return b, nil, p
			}
			b = append(make([]byte, 0, room), b...)
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF && (r.ContentLength < 0 || int64(len(b)) == want):
			want = int64(len(b))
		case err != nil && int64(len(b)) < want:
			return b, nil, newProblem(http.StatusBadRequest, codeJSON, "the body ended early, or came too slowly: send as many bytes as Content-Length says, without long pauses")
		}
	}
	if want > limit {
		return b, nil, tooLarge()
	}
	held := int64(cap(b))
	return b, func() { a.memory.give(owner, held) }, nil
}

// valid returns b without the space around it when it is one JSON text in UTF-8.
func valid(b []byte) ([]byte, *problem) {
	if b = trimSpace(b); len(b) == 0 {
		return nil, newProblem(http.StatusBadRequest, codeJSON, `the body is empty: send JSON like {"topic":"all","payload":"hello"}`)
	}
	if !utf8.Valid(b) {
		return nil, newProblem(http.StatusBadRequest, codeJSON, "the body is not UTF-8: encode it so, and send binary payloads as payload_base64")
	}
	if !json.Valid(b) {
		return nil, newProblem(http.StatusBadRequest, codeJSON, "the body is not JSON: %s", syntax(b))
	}
	return b, nil
}

// syntax says where b stops being JSON.
func syntax(b []byte) string {
	err := json.Unmarshal(b, new(json.RawMessage))
	if s := (*json.SyntaxError)(nil); errors.As(err, &s) {
		return fmt.Sprintf("%s at byte %d", s, s.Offset)
	}
	return "it is incomplete"
}

// dropNulls treats a null as an absent member, as many serialisers write it. Only a payload may be null itself, when the
// push has no other.
func dropNulls(m map[string][]byte) {
	for name, v := range m {
		if v[0] == 'n' && name != "payload" && name != "playLoad" {
			delete(m, name)
		}
	}
	if v := m["payload"]; v != nil && v[0] == 'n' && (m["payload_base64"] != nil || m["playLoad"] != nil) {
		delete(m, "payload")
	}
	if v := m["playLoad"]; v != nil && v[0] == 'n' && m["payload"] != nil {
		delete(m, "playLoad")
	}
}

// members reads the JSON object b: its values as they came, by name. Names that are not in known are refused when
// strict is set, else left out.
func members(b []byte, known []string, strict bool) (map[string][]byte, *problem) {
	if b[0] != '{' {
		return nil, newProblem(http.StatusBadRequest, codeJSON, "a push is a JSON object, not %s", jsonKind(b))
	}
	m := make(map[string][]byte, 4)
	p := object(b, func(name string, v []byte) *problem {
		if !slices.Contains(known, name) {
			if !strict {
				return nil
			}
			hint := ""
			if s := suggest(name, known); s != "" {
				hint = "did you mean " + s + "? "
			}
			return badField("unknown field %s: %sthe fields are %s", quote(name), hint, strings.Join(known, ", "))
		}
		if _, twice := m[name]; twice {
			return badField("%s is present twice: send it once", name)
		}
		m[name] = v
		return nil
	})
	dropNulls(m)
	return m, p
}
