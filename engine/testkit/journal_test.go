package testkit

import (
	"io"
	"strings"
	"testing"
	"time"
)

// A line that exists, and one that comes later, are found; after a point only later ones; after the end none.
func TestJournal(t *testing.T) {
	var j Journal
	j.Read(strings.NewReader("{\"msg\":\"a\",\"n\":1}\nno JSON\n"))
	ended := make(chan struct{})
	var line map[string]any
	if _, ok := j.Wait(0, Saying("a", &line), ended, time.Minute); !ok || line["n"] != 1.0 {
		t.Errorf("found %v", line)
	}
	from, to := io.Pipe()
	go j.Read(from)
	go func() { _, _ = io.WriteString(to, "{\"msg\":\"a\",\"n\":2}\n{\"msg\":\"half") }()
	if _, ok := j.Wait(2, Saying("a", &line), ended, time.Minute); !ok || line["n"] != 2.0 {
		t.Errorf("found %v", line)
	}
	close(ended)
	if text, ok := j.Wait(3, Saying("a", &line), ended, time.Minute); ok {
		t.Errorf("found %s", text)
	}
	if _, ok := j.Wait(0, Saying("b", &line), nil, 0); ok {
		t.Error("found what is not there")
	}
	if j.Count() != 3 || j.Tail(1) != `{"msg":"a","n":2}` {
		t.Errorf("%d lines, the last is %s", j.Count(), j.Tail(1))
	}
	_ = to.Close()
}
