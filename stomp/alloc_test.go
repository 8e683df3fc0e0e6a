package stomp

import "testing"

const (
	connectFrame   = "CONNECT\naccept-version:1.2,1.1,1.0\nheart-beat:10000,10000\ntoken:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln\nprojectId:shop\n\n\x00"
	sendFrame      = "SEND\ndestination:/topic/chat/lobby\ncontent-type:application/json\ncontent-length:27\n\n{\"text\":\"good morning all\"}\x00"
	subscribeFrame = "SUBSCRIBE\nid:sub-0\ndestination:/topic/shop/shanghai\nack:auto\n\n\x00"
	escapedFrame   = "SUBSCRIBE\nid:sub\\c0\ndestination:/topic/shop/shang\\chai\nack:auto\n\n\x00"
	crlfFrame      = "SUBSCRIBE\r\nid:sub-0\r\ndestination:/topic/shop/shanghai\r\nack:auto\r\n\r\n\x00"
	errorFrame     = "SUBSCRIBE\nid\n\n\x00"
)

func TestDecodeAllocates(t *testing.T) {
	var (
		d Decoder
		f Frame
	)
	for _, input := range []string{connectFrame, sendFrame, subscribeFrame, escapedFrame, crlfFrame, "\n", errorFrame, "SEND\nhalf:"} {
		b := []byte(input)
		allocs := testing.AllocsPerRun(100, func() {
			var p Progress
			n, _ := d.Decode(b, V12, &plainLimits, &p, &f)
			if n > 0 && f.Command != None {
				f.Get("destination")
			}
		})
		if allocs != 0 {
			t.Errorf("%q: %v allocations", input, allocs)
		}
	}
}

func TestMessageAllocates(t *testing.T) {
	var (
		body  = make([]byte, 200)
		plain = []HeaderField{{"kind", "order"}}
		lines = []byte("subscription:sub-0\n")
		dst   = make([]byte, 0, 1024)
		m     Message
	)
	for _, test := range []struct {
		name    string
		headers []HeaderField
		most    float64
	}{
		{"no headers", nil, 1},
		{"plain", plain, 1},
		{"escaped", []HeaderField{{"url", "http://example.com"}}, 3},
	} {
		allocs := testing.AllocsPerRun(100, func() { m = NewMessage("/topic/shop/all", "0-0-1", "text/plain", test.headers, body) })
		if allocs > test.most {
			t.Errorf("%s: NewMessage %v allocations", test.name, allocs)
		}
		for v := V10; v <= V12; v++ {
			if allocs := testing.AllocsPerRun(100, func() { m.AppendTo(dst, v, lines) }); allocs != 0 {
				t.Errorf("%s: AppendTo %v allocations", test.name, allocs)
			}
			if allocs := testing.AllocsPerRun(100, func() { m.At(v, lines, 200) }); allocs != 0 {
				t.Errorf("%s: At %v allocations", test.name, allocs)
			}
		}
	}
}

func TestEncodeAllocates(t *testing.T) {
	dst := make([]byte, 0, 256)
	id := []byte("receipt:1")
	allocs := testing.AllocsPerRun(100, func() {
		b := AppendCommand(dst, Receipt)
		b = AppendHeader(b, V12, "receipt-id", id)
		AppendBody(b, nil)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
