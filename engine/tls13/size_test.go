package tls13

import (
	"testing"
	"unsafe"
)

// A connection's keys, and 40 bytes of the struct around them, are in the size class of 256 bytes.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Records{}); n > 216 {
		t.Errorf("Records has %d bytes, at most 216 are planned", n)
	}
	if n := unsafe.Sizeof(place{}); n > 32 {
		t.Errorf("place has %d bytes, at most 32 are planned", n)
	}
}
