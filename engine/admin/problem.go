package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"stentor/engine/bus"
	"stentor/engine/refusal"
)

// A code tells programs what went wrong where several causes share a status. The detail of a problem tells people,
// and says what to change.
const (
	codeJSON        = "json"        // 400 the body is not JSON of the expected shape
	codeField       = "field"       // 400 a field, header or parameter has no usable value
	codeAuth        = "auth"        // 401
	codeForbidden   = "forbidden"   // 403
	codeNotFound    = "not-found"   // 404
	codeMethod      = "method"      // 405
	codeTooLarge    = "too-large"   // 413
	codeMediaType   = "media-type"  // 415
	codeLimit       = "limit"       // 429
	codeInternal    = "internal"    // 500
	codeBusy        = "busy"        // 503 try again after Retry-After
	codeStopping    = "stopping"    // 503 this node is on its way out: another one takes it
	codeTimeout     = "timeout"     // 503 no answer in time: the push may be on its way
	codeUnavailable = "unavailable" // 503 something that the node needs does not work
	codeNotReady    = "not-ready"   // 503 from /readyz
)

const (
	problemType     = "about:blank" // RFC 9457 section 4.2.1: the title is the status, and code has the rest
	problemMedia    = "application/problem+json"
	jsonMedia       = "application/json"
	retrySeconds    = 1 // Retry-After of everything that passes
	maxFoundInError = 64
)

// problem is the body of every answer but 2xx (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	// ID is the push id under which a push that was not accepted may be sent again.
	ID string `json:"id,omitempty"`
	// Pushes has the outcome for every target of a push to several.
	Pushes []outcome `json:"pushes,omitempty"`

	after int            // Retry-After, when not retrySeconds
	why   refusal.Reason // when status and code do not say it
}

func newProblem(status int, code, format string, args ...any) *problem {
	return &problem{Type: problemType, Title: http.StatusText(status), Status: status, Code: code,
		Detail: fmt.Sprintf(format, args...)}
}

// badField is the most common problem: one field or parameter, and what is wrong with it.
func badField(format string, args ...any) *problem {
	return newProblem(http.StatusBadRequest, codeField, format, args...)
}

func unknownProject(project string) *problem {
	return newProblem(http.StatusNotFound, codeNotFound, "this node serves no project %s: correct the name or configure it", quote(project))
}

// errTimeout stands for an answer of the node that was late.
var errTimeout = errors.New("the node did not answer in time")

// nodeProblem turns an error of the node into a problem for the caller. The text of unknown errors stays in the log.
func nodeProblem(err error, project string) *problem {
	switch {
	case errors.Is(err, bus.ErrBusy):
		return newProblem(http.StatusServiceUnavailable, codeBusy,
			"too many bytes of project %s wait for delivery: nothing was accepted, send it again after Retry-After seconds", quote(project))
	case errors.Is(err, bus.ErrRateLimited):
		return newProblem(http.StatusTooManyRequests, codeLimit,
			"project %s has used up its pushes of this second (limits.pushes_per_second): send it again after Retry-After seconds", quote(project))
	case errors.Is(err, bus.ErrTooLarge):
		return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "the bus does not accept pushes of this size: send less, or raise the limit of the project's topic")
	case errors.Is(err, bus.ErrUnserved):
		return newProblem(http.StatusServiceUnavailable, codeUnavailable,
			"this node does not serve project %s now, /readyz says why: nothing was accepted, send it to another node, or here again after Retry-After seconds", quote(project))
	case errors.Is(err, bus.ErrUnavailable):
		return newProblem(http.StatusServiceUnavailable, codeUnavailable,
			"the bus did not confirm the push in time, but may have accepted it: send it again with the same id after Retry-After seconds, it is delivered once")
	case errors.Is(err, bus.ErrClosed):
		return newProblem(http.StatusServiceUnavailable, codeStopping, "this node is stopping: send it to another node, or here again after Retry-After seconds")
	case errors.Is(err, bus.ErrUnknownProject):
		return unknownProject(project)
	case errors.Is(err, errTimeout):
		return newProblem(http.StatusServiceUnavailable, codeTimeout,
			"there was no answer in time: the push may have been accepted, send it again with the same id, it is delivered once")
	}
	return newProblem(http.StatusServiceUnavailable, codeUnavailable, "the node could not do it now: try again after Retry-After seconds; the node's log has the reason")
}

// passing reports whether the same request may succeed a moment later.
func (p *problem) passing() bool {
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
}

func (p *problem) write(w http.ResponseWriter) {
	if p.passing() {
		w.Header().Set("Retry-After", strconv.Itoa(cmp.Or(p.after, retrySeconds)))
	}
	writeBody(w, p.Status, problemMedia, encode(p))
}

func writeJSON(w http.ResponseWriter, v any) {
	writeBody(w, http.StatusOK, jsonMedia, encode(v))
}

// encode writes v as one line, '<', '>' and '&' as they are.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only types of this package and of shard come here, and all of them can be encoded
	}
	return b.Bytes()
}

func writeBody(w http.ResponseWriter, status int, media string, body []byte) {
	h := w.Header()
	setHeader(h, media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone: nobody is left to tell
}

// setHeader sets what every answer's header has.
func setHeader(h http.Header, media string) {
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// quote shows what a caller sent, cut to a length that fits into a sentence.
func quote(s string) string {
	if len(s) > maxFoundInError {
		s = s[:maxFoundInError] + "..."
	}
	return strconv.Quote(s)
}
