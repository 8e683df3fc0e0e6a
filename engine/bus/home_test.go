package bus

import "testing"

// The values are those that Kafka's own tests of its hash expect.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"abc":                        479470107,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
	if got := Home("21", 7); got != int32(uint32(0x80000000-973932308)%7) {
		t.Errorf("partition %d", got)
	}
}
