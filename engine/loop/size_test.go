package loop

import (
	"testing"
	"unsafe"
)

// A connection over TLS whose records are ours has one piece of memory more than a plain one, of this class of the allocator.
func TestSizes(t *testing.T) {
	const class = 256
	if size := unsafe.Sizeof(secure{}); size > class {
		t.Errorf("secure has %d bytes, at most %d are planned", size, class)
	}
}
