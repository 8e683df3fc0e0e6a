package kafka

import "strings"

// words keeps one copy of each recent string, for strings that repeat.
type words struct{ kept map[string]string }

// Bounds of words.
const (
	maxWords = 10_000 // then it is cleared
	maxWord  = 256    // bytes; a longer one is copied each time
)

// of returns b as a string.
func (w *words) of(b []byte) string {
	if kept, ok := w.kept[string(b)]; ok {
		return kept
	}
	return w.keep(string(b))
}

// same returns a string equal to s, which may be lent.
func (w *words) same(s string) string {
	if kept, ok := w.kept[s]; ok {
		return kept
	}
	return w.keep(strings.Clone(s))
}

func (w *words) keep(s string) string {
	switch {
	case len(s) > maxWord:
		return s
	case w.kept == nil:
		w.kept = map[string]string{}
	case len(w.kept) >= maxWords:
		clear(w.kept)
	}
	w.kept[s] = s
	return s
}
