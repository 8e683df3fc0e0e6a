package kafka

import "testing"

// A record costs no memory until it is in the history.
func TestDecodeAllocates(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []Header
		most    float64
	}{
		{"topic", headers("destination", "/topic/shop/a", "content-type", "text/plain"), 0},
		{"headers", headers("destination", "/topic/shop/a", "color", "red"), 1},
		{"user", headers("destination", "/queue/orders", "user", "ann"), 1},
		{"all", headers("destination", "/queue/orders", "user", "ann", "push-id", "17", "ttl-ms", "1000"), 2},
	} {
		d := decoder()
		in := Record{Value: []byte("hello"), Headers: c.headers}
		allocs := testing.AllocsPerRun(100, func() {
			if _, _, err := d.Decode("shop", &in); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > c.most {
			t.Errorf("%s: %v allocations", c.name, allocs)
		}
	}
}
