package shard

import (
	"testing"
	"unsafe"
)

// A connection with two subscriptions has some 500 bytes beside what the network engine needs, of which these are
// the largest part.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name       string
		size, most uintptr
	}{
		{"Conn", unsafe.Sizeof(Conn{}), 208},
		{"sub", unsafe.Sizeof(sub{}), 40},
		{"target", unsafe.Sizeof(target{}), 48},
		{"log", unsafe.Sizeof(log{}), 192},
	} {
		t.Logf("%s: %d bytes", c.name, c.size)
		if c.size > c.most {
			t.Errorf("%s has %d bytes, at most %d are planned", c.name, c.size, c.most)
		}
	}
}
