package ledger

import "testing"

// failing is a test that is only asked whether it failed.
type failing struct {
	testing.TB
	failed   bool
	cleanups []func()
}

func (f *failing) Helper()               {}
func (f *failing) Cleanup(c func())      { f.cleanups = append(f.cleanups, c) }
func (f *failing) Errorf(string, ...any) { f.failed = true }
func (f *failing) end() {
	for _, c := range f.cleanups {
		c()
	}
}

func TestWatch(t *testing.T) {
	var seal func(key, nonce []byte)
	observe := func(f func(key, nonce []byte)) { seal = f }
	for name, c := range map[string]struct {
		pairs  []string
		failed bool
	}{
		"nothing":           {nil, false},
		"different nonces":  {[]string{"k1", "k2"}, false},
		"different keys":    {[]string{"k1", "l1"}, false},
		"a repeat":          {[]string{"k1", "k2", "l1", "k1"}, true},
		"a repeat at once":  {[]string{"k1", "k1"}, true},
		"a later test's k1": {[]string{"k1"}, false},
	} {
		f := &failing{}
		Watch(f, observe)
		for _, p := range c.pairs {
			seal([]byte(p[:1]), []byte(p[1:]))
		}
		if Sealed() > len(c.pairs) {
			t.Errorf("%s: %d pairs", name, Sealed())
		}
		f.end()
		if f.failed != c.failed {
			t.Errorf("%s: failed is %v", name, f.failed)
		}
		if seal != nil {
			t.Errorf("%s: still watching", name)
		}
	}
	f := &failing{}
	Watch(f, observe)
	for range 3 {
		Without(func() { seal([]byte("k"), []byte("1")) })
	}
	seal([]byte("k"), []byte("1"))
	f.end()
	if f.failed {
		t.Error("what Without does is noted")
	}
}
