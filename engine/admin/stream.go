package admin

import (
	"encoding/json"
	"errors"
	"net/http"
)

const (
	// chunkBytes is how much of a listing is written at a time.
	chunkBytes = 32 << 10
	// pageBytes is how long a page may become, however few its items are.
	pageBytes = 8 << 20
	// listingBytes is what a listing is charged while it goes on: one chunk, one step's result and what becomes of it.
	listingBytes = 256 << 10
)

// errPage ends a page that has become long.
var errPage = errors.New("the page is long enough")

// stream writes a listing as it is gathered: at any time only a chunk of the answer is in memory. An answer that fits into
// one has its length in its header.
type stream struct {
	w     http.ResponseWriter
	chunk []byte
	sent  int
	items int
	most  int   // bytes of a page
	err   error // of the client
}

func newStream(w http.ResponseWriter, begin string) *stream {
	return &stream{w: w, most: pageBytes, chunk: append(make([]byte, 0, chunkBytes+4<<10), begin...)}
}

// text adds a part of the answer.
func (s *stream) text(part string) { s.chunk = append(s.chunk, part...) }

// value adds v as JSON.
func (s *stream) value(v any) {
	b := encode(v)
	s.chunk = append(s.chunk, b[:len(b)-1]...) // no end of line
	s.flush(chunkBytes)
}

// item begins the next item of a list.
func (s *stream) item() {
	if s.items++; s.items > 1 {
		s.chunk = append(s.chunk, ',')
	}
}

// flush writes the chunk when it has at least that many bytes.
func (s *stream) flush(least int) {
	if len(s.chunk) < least || s.err != nil {
		return
	}
	if s.sent == 0 {
		setHeader(s.w.Header(), jsonMedia)
		s.w.WriteHeader(http.StatusOK)
	}
	s.sent += len(s.chunk)
	_, s.err = s.w.Write(s.chunk)
	s.chunk = s.chunk[:0]
}

// full is the error that ends the listing, nil while it may go on.
func (s *stream) full() error {
	if s.err == nil && s.sent+len(s.chunk) >= s.most {
		return errPage
	}
	return s.err
}

// end writes the rest.
func (s *stream) end(rest string) {
	s.text(rest)
	if s.sent == 0 {
		writeBody(s.w, http.StatusOK, jsonMedia, s.chunk)
		return
	}
	s.flush(0)
}

// next ends the listing, whose next page is the one that the cursor names, if any.
func (s *stream) next(cursor string) {
	if cursor == "" {
		s.end("]}\n")
		return
	}
	b, _ := json.Marshal(cursor) // a string
	s.end(`],"next":` + string(b) + "}\n")
}

// broken returns the problem to answer when a listing that ended with err has no page to show. A listing that ran out of
// time is a page like others if it has some items: its cursor says where it goes on.
func (a *api) broken(s *stream, err error, project string) *problem {
	if err == nil || errors.Is(err, errPage) || s.err != nil || s.sent > 0 {
		return nil
	}
	return a.waitProblem(err, project)
}

// listing charges the key's owner for a listing while it goes on.
func (a *api) listing(h func(http.ResponseWriter, *http.Request, string) *problem) func(http.ResponseWriter, *http.Request, string) *problem {
	return func(w http.ResponseWriter, r *http.Request, project string) *problem {
		owner := a.owner(r)
		if p := a.memory.take(owner, listingBytes); p != nil {
			return p
		}
		defer a.memory.give(owner, listingBytes)
		return h(w, r, project)
	}
}
