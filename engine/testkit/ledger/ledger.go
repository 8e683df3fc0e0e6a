// Package ledger fails tests in which a key seals twice with one nonce. Such a mistake shows in no other way when the
// records go different ways: both are valid, and together they reveal what they hide.
package ledger

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Observe is tls13.Observe, which is handed in so that the tests of that package can use this one.
type Observe = func(func(key, nonce []byte))

var book struct {
	sync.Mutex
	users   int
	paused  int
	seen    map[[sha256.Size]byte]struct{}
	repeats int
}

// Watch fails t when a key and nonce are used twice while it runs, anywhere in the process. It is called before anything is
// sealed. Tests that run at the same time share what was seen.
func Watch(t testing.TB, observe Observe) {
	t.Helper()
	before := begin(observe)
	t.Cleanup(func() {
		if n := end(observe) - before; n > 0 {
			t.Errorf("%d times a key has sealed twice with one nonce", n)
		}
	})
}

// Main runs the tests of a package with one Watch over all of them, and returns the exit code. Benchmarks run without: it costs
// time and memory.
func Main(m *testing.M, observe Observe) int {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		return m.Run()
	}
	before := begin(observe)
	code := m.Run()
	if n := end(observe) - before; n > 0 {
		_, _ = fmt.Fprintf(os.Stderr, "FAIL: %d times a key has sealed twice with one nonce\n", n)
		return max(code, 1)
	}
	return code
}

// Sealed is how many pairs of key and nonce have been seen, so that a test can tell that it was watched.
func Sealed() int {
	book.Lock()
	defer book.Unlock()
	return len(book.seen)
}

// Without does f, which seals with keys that are given, as those of published traces, and notes nothing meanwhile.
func Without(f func()) {
	pause := func(by int) {
		book.Lock()
		defer book.Unlock()
		book.paused += by
	}
	pause(1)
	defer pause(-1)
	f()
}

func begin(observe Observe) (repeats int) {
	book.Lock()
	defer book.Unlock()
	if book.users++; book.users == 1 {
		book.seen = map[[sha256.Size]byte]struct{}{}
		observe(note)
	}
	return book.repeats
}

func end(observe Observe) (repeats int) {
	book.Lock()
	defer book.Unlock()
	if book.users--; book.users == 0 {
		observe(nil)
		book.seen = nil
	}
	return book.repeats
}

func note(key, nonce []byte) {
	h := sha256.New()
	h.Write(key)
	h.Write(nonce)
	var pair [sha256.Size]byte
	h.Sum(pair[:0])
	book.Lock()
	defer book.Unlock()
	if book.paused > 0 || book.seen == nil {
		return
	}
	if _, ok := book.seen[pair]; ok {
		book.repeats++
	}
	book.seen[pair] = struct{}{}
}
