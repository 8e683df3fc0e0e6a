package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"stentor/engine/bus"
)

// newID makes the id of a push that came with none: 80 random bits.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

// A result is the bus's answer to one record.
type result struct {
	pos bus.Position
	err error
}

// outcome is what became of one of several targets: a position, or else a code and detail.
type outcome struct {
	Destination string `json:"destination"`
	User        string `json:"user,omitempty"`
	ID          string `json:"id"`
	Position    string `json:"position,omitempty"`
	Repeated    bool   `json:"repeated,omitempty"`
	Code        string `json:"code,omitempty"`
	Detail      string `json:"detail,omitempty"`
}

// accepted is the answer to a push that is on the bus.
type accepted struct {
	// Status is only there in the answers to a batch, where each item has one.
	Status int    `json:"status,omitempty"`
	ID     string `json:"id"`
	// Position is the last target's when there are several.
	Position string `json:"position"`
	// Repeated: each target had a push with this id already, and nothing was published.
	Repeated bool      `json:"repeated,omitempty"`
	Pushes   []outcome `json:"pushes,omitempty"`
}

// publish hands the records to the bus in their order and waits until it has answered all of them, ctx ends, or the
// time for a publish is over. A record without an answer has errTimeout. Others of the request's owner have their turns
// meanwhile.
func (a *api) publish(ctx context.Context, records []*bus.Record, turn *turn) []result {
	ctx, cancel := context.WithTimeout(ctx, a.o.PublishTimeout)
	defer cancel()
	type answer struct {
		i int
		result
	}
	answers := make(chan answer, len(records)) // room for all: done must not block, even when nobody waits any more
	results := make([]result, len(records))
	for i, r := range records {
		results[i].err = errTimeout
		a.o.Node.Publish(r, func(pos bus.Position, err error) { answers <- answer{i, result{pos, err}} })
	}
	if len(answers) < len(records) { // the embedded bus has answered
		turn.pause()
		defer turn.wait(ctx, a.o.PublishTimeout) // what was published is still answered
	}
	for range records {
		select {
		case got := <-answers:
			results[got.i] = got.result
		case <-ctx.Done():
			return results
		}
	}
	return results
}

// send publishes a push and answers the request.
func (a *api) send(w http.ResponseWriter, r *http.Request, u *push, turn *turn) *problem {
	ok, p := a.answer(u, a.publish(r.Context(), u.records, turn))
	if p != nil {
		return p
	}
	body := encode(ok)
	turn.pause()
	writeBody(w, http.StatusOK, jsonMedia, body)
	return nil
}

// answer makes one answer of the results of u's records. When some were not accepted the answer is a problem, of the
// first one's kind, with what became of each: the same request with the same id then only sends the missing ones.
func (a *api) answer(u *push, results []result) (*accepted, *problem) {
	ok := &accepted{ID: u.id, Repeated: true}
	var first *problem
	failed := 0
	for i, res := range results {
		r := u.records[i]
		out := outcome{Destination: r.Destination, User: r.User, ID: r.ID}
		if res.err == nil {
			out.Position, out.Repeated = res.pos.String(), r.Repeated
			ok.Position = out.Position
			ok.Repeated = ok.Repeated && r.Repeated
		} else {
			p := a.nodeProblem(res.err, u.project)
			out.Code, out.Detail = p.Code, p.Detail
			if failed++; first == nil {
				first = p
			}
		}
		if u.many {
			ok.Pushes = append(ok.Pushes, out)
		}
	}
	if first == nil {
		return ok, nil
	}
	first.ID = u.id
	if u.many {
		first.Pushes = ok.Pushes
		first.Detail = fmt.Sprintf("%d of %d targets were not accepted (see pushes): send the same request again with id %s and only those are delivered; the first said: %s",
			failed, len(results), u.id, first.Detail)
	}
	return nil, first
}
