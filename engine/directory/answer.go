package directory

import (
	"strconv"
	"time"
)

const (
	// DefaultAnswer and MaxAnswer are how many nodes an answer names.
	DefaultAnswer = 3
	MaxAnswer     = 10
	// answerTime is how long an answer may be used.
	answerTime = 10 * time.Second
)

// ParseCount reads the n of a request, "" for the default.
func ParseCount(text string) (n int, ok bool) {
	if text == "" {
		return DefaultAnswer, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 1 && n <= MaxAnswer
}

// Answer appends the answer to a client that asks where to connect: addresses of up to n nodes, the best first.
//
//	{"endpoints":["wss://push-1.example.com/ws"],"ttl_ms":10000,"spread_ms":0}
//
// First comes each node's first address, then each node's second one, and so on. It returns false when there is no node. n
// is 1 to MaxAnswer.
func (v *View) Answer(dst []byte, n int, now time.Time) (body []byte, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	chosen := v.choose(min(max(n, 1), MaxAnswer), now)
	if len(chosen) == 0 {
		return dst, false
	}
	dst = append(dst, `{"endpoints":[`...)
	first := true
	for i := range MaxURLs {
		for _, e := range chosen {
			if i >= len(e.beat.URLs) {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(dst, '"')
			dst = append(dst, e.beat.URLs[i]...) // CheckURL accepts nothing that JSON would have to escape
			dst = append(dst, '"')
		}
	}
	dst = append(dst, `],"ttl_ms":`...)
	dst = strconv.AppendInt(dst, answerTime.Milliseconds(), 10)
	dst = append(dst, `,"spread_ms":`...)
	dst = strconv.AppendInt(dst, v.spread.at(now).Milliseconds(), 10)
	return append(dst, "}\n"...), true
}
