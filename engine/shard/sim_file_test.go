package shard

import (
	"strings"
	"testing"
)

// TestSimFileErrors: a file that is not understood as a whole says where, and is not played.
func TestSimFileErrors(t *testing.T) {
	const world = `{"world":{"nodes":1,"shards":1,"partitions":1,"projects":1,"unanswered":12,"writeCost":"6µs"}}` + "\n"
	for _, c := range []struct{ name, text, want string }{
		{"no world", `{"do":"connect"}`, `unknown field "do"`},
		{"empty", "# nothing\n", "describes no world"},
		{"no node", `{"world":{"shards":1,"partitions":1,"projects":1}}`, "line 1: a world has a node"},
		{"unknown operation", world + "\n# why\n" + `{"do":"dance"}`, `line 4: no operation is called "dance"`},
		{"unknown field", world + `{"do":"publish","colour":3}`, `line 2: json: unknown field "colour"`},
		{"time", world + `{"do":"publish","after":"soon"}`, "line 2: "},
	} {
		s, err := parseSchedule([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want an error with %q", c.name, s, err, c.want)
		}
	}
	s, err := parseSchedule([]byte(world + `{"do":"publish","dest":"/topic/a","after":"1.5ms"}`))
	if err != nil || len(s.ops) != 1 || int64(s.ops[0].After) != 1_500_000 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSimShrinks makes a schedule short that has a mistake in its midst.
func TestSimShrinks(t *testing.T) {
	s := generate(3)
	s.ops = append(s.ops, op{Do: "publish", Dest: "/topic/a", Kind: simMistake, Size: 1000})
	s.ops = append(s.ops, generate(4).ops...)
	out := s.play()
	if out.err == nil {
		t.Fatal("the mistake was not noticed")
	}
	short := s.shrink(out, shrinkTime)
	if len(short.ops) != 1 || short.ops[0].Kind != simMistake || short.ops[0].Size != 0 || short.world.Nodes != 1 {
		t.Errorf("%+v %+v", short.world, short.ops)
	}
}
