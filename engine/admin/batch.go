package admin

import (
	"bytes"
	"net/http"
	"strconv"

	"stentor/engine/bus"
)

const (
	// maxBatch bounds the records of one batch: its items, each of their targets counted.
	maxBatch    = 10000
	ndjsonMedia = "application/x-ndjson"
)

// An item is one push of a batch, or what was wrong with it.
type item struct {
	push *push
	bad  *problem
}

// batch answers POST /v1/projects/{project}/push/batch: a JSON array of pushes, or one push a line. Every push is read
// before the first is published; they are published in their order, each is independent of the others, and has its answer
// in the same place and form.
func (a *api) batch(w http.ResponseWriter, r *http.Request, project string) *problem {
	if _, p := query(r); p != nil {
		return p
	}
	kind, p := media(r, jsonMedia, ndjsonMedia)
	if p != nil {
		return p
	}
	key, p := idempotencyKey(r)
	if p != nil {
		return p
	}
	raw, release, p := a.body(r, a.o.BatchBytes)
	if p != nil {
		return p
	}
	defer release()
	turn, p := a.turn(r, raw)
	if p != nil {
		return p
	}
	defer turn.end()
	var items []item
	records := 0
	add := func(raw []byte, bad *problem) *problem {
		one := item{bad: bad}
		if bad == nil {
			one.push, one.bad = a.readPush(project, batchKey(key, len(items)+1), raw)
		}
		items = append(items, one)
		if records++; one.bad == nil {
			records += len(one.push.records) - 1
		}
		if records > maxBatch {
			return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "the batch has more than %d pushes, each target counted: nothing was sent, split it", maxBatch)
		}
		return nil
	}
	lines := kind == ndjsonMedia
	if lines {
		p = eachLine(raw, add)
	} else if raw, p = valid(raw); p == nil {
		if raw[0] != '[' {
			return newProblem(http.StatusBadRequest, codeJSON, "a batch is a JSON array of pushes, not %s: send [...], or one push a line as %s", jsonKind(raw), ndjsonMedia)
		}
		p = array(raw, func(v []byte) *problem { return add(v, nil) })
	}
	if p != nil {
		return p
	}
	answers, passing := a.answers(r, items, a.publish(r.Context(), all(items, records), turn))
	if passing {
		w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	}
	kind, body := encodeAnswers(answers, lines)
	turn.pause() // a slow reader must not keep others waiting
	writeBody(w, http.StatusOK, kind, body)
	return nil
}

// batchKey is the id of the n-th item that has none of its own, when the request has an Idempotency-Key.
func batchKey(key string, n int) string {
	if key == "" {
		return ""
	}
	return key + idSeparator + strconv.Itoa(n)
}

// eachLine calls add for every line of b that is not blank. A line that is no JSON spoils only itself.
func eachLine(b []byte, add func(raw []byte, bad *problem) *problem) *problem {
	for line := range bytes.Lines(b) {
		if len(trimSpace(line)) == 0 {
			continue
		}
		raw, bad := valid(line)
		if p := add(raw, bad); p != nil {
			return p
		}
	}
	return nil
}

// all lists the records of the items that could be read.
func all(items []item, n int) []*bus.Record {
	records := make([]*bus.Record, 0, n)
	for _, one := range items {
		if one.bad == nil {
			records = append(records, one.push.records...)
		}
	}
	return records
}

// answers returns the answer of every item, and whether one of them may succeed a moment later.
func (a *api) answers(r *http.Request, items []item, results []result) (answers []any, passing bool) {
	answers = make([]any, 0, len(items))
	for _, one := range items {
		var ok *accepted
		bad := one.bad
		if bad == nil {
			n := len(one.push.records)
			ok, bad = a.answer(one.push, results[:n])
			results = results[n:]
		}
		if bad != nil {
			a.refused(r, bad)
			answers = append(answers, bad)
			passing = passing || bad.passing()
			continue
		}
		ok.Status = http.StatusOK
		answers = append(answers, ok)
	}
	return answers, passing
}

// encodeAnswers is the answer in the form of the request.
func encodeAnswers(answers []any, lines bool) (media string, body []byte) {
	if !lines {
		return jsonMedia, encode(answers)
	}
	for _, one := range answers {
		body = append(body, encode(one)...)
	}
	return ndjsonMedia, body
}
