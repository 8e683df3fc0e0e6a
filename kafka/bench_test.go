package kafka

import "testing"

func BenchmarkDecode(b *testing.B) {
	d := decoder()
	in := Record{Value: make([]byte, 1024), Headers: headers("destination", "/topic/shop/a", "content-type", "application/json", "push-id", "0190-1234", "color", "red")}
	b.ReportAllocs()
	for range b.N {
		if _, _, err := d.Decode("shop", &in); err != nil {
			b.Fatal(err)
		}
	}
}
