package measure

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// A payload with a document has, in place of the filling, one of a fixed corpus of JSON documents as back ends push them, so that
// compressing it says something. All have some 2 KB.
const (
	payloadDoc  = `","doc":`
	payloadOver = `}`
	docAt       = streamAt + 16 + len(payloadDoc)

	documentCount = 64
	documentBytes = 1900 // at least
)

// AppendDocument appends p with the document of its number.
func (p Payload) AppendDocument(dst []byte) []byte {
	dst = p.appendNumbers(dst)
	dst = append(dst, payloadDoc...)
	dst = append(dst, document(p.Seq)...)
	return append(dst, payloadOver...)
}

// document is the one of payload seq.
func document(seq uint32) string { return corpus()[seq%documentCount] }

// isDocument reports whether b, which is a whole payload, has the document of seq.
func isDocument(b []byte, seq uint32) bool {
	return len(b) > docAt && bytes.HasPrefix(b[streamAt+16:], []byte(payloadDoc)) && string(b[docAt:]) == document(seq)+payloadOver
}

// corpus is always the same: its numbers come from a generator with a fixed seed.
var corpus = sync.OnceValue(func() []string {
	all := make([]string, documentCount)
	for i := range all {
		w := writer{rand.New(rand.NewPCG(2048, uint64(i)))}
		all[i] = []func() string{w.order, w.quotes, w.feed, w.telemetry}[i%4]()
	}
	return all
})

// writer makes up what documents have.
type writer struct{ *rand.Rand }

// list is head, as many items as make the document long enough, and tail.
func list(head, tail string, item func(i int) string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; b.Len() < documentBytes-len(tail); i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(item(i))
	}
	b.WriteString(tail)
	return b.String()
}

func (w writer) of(words ...string) string { return words[w.IntN(len(words))] }

func (w writer) time() string {
	return fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02d.%03dZ", 1+w.IntN(12), 1+w.IntN(28), w.IntN(24), w.IntN(60), w.IntN(60), w.IntN(1000))
}

func (w writer) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", w.Uint32(), w.IntN(1<<16), w.IntN(1<<12), w.IntN(1<<12), w.Int64N(1<<48))
}

func (w writer) money() string { return fmt.Sprintf("%d.%02d", w.IntN(900), w.IntN(100)) }

func (w writer) person() string {
	return w.of("Ann", "Bob", "Chen", "Dörte", "Elif", "Femi", "Gita", "Hugo", "Ines", "Jun") + " " + w.of("Smith", "Okafor", "Müller", "Garcia", "Wang", "Yılmaz", "Novak", "Rossi")
}

func (w writer) order() string {
	return list(fmt.Sprintf(`{"type":"order.updated","id":%q,"status":%q,"customer":{"id":%d,"name":%q,"email":"customer%d@example.com"},"createdAt":%q,"currency":"EUR","lines":[`,
		w.uuid(), w.of("NEW", "PAID", "PACKED", "SHIPPED"), w.IntN(1e6), w.person(), w.IntN(1e5), w.time()), fmt.Sprintf(`],"total":%s,"version":%d}`, w.money(), w.IntN(40)),
		func(i int) string {
			return fmt.Sprintf(`{"line":%d,"sku":"%s-%05d","title":%q,"quantity":%d,"unitPrice":%s,"taxRate":0.%s,"warehouse":%q}`, i+1, w.of("SHO", "BAG", "HAT", "COA"), w.IntN(1e5),
				w.of("Leather boots", "Canvas bag", "Wool hat", "Rain coat", "Running shoes", "Cotton socks"), 1+w.IntN(5), w.money(), w.of("19", "07", "20"), w.of("HAM-1", "LEJ-2", "WAW-1"))
		})
}

func (w writer) quotes() string {
	at := 1764500000000 + w.Int64N(1e9)
	return list(fmt.Sprintf(`{"type":"quotes","exchange":%q,"at":%q,"quotes":[`, w.of("XETR", "XNAS", "XLON"), w.time()), `]}`, func(int) string {
		last := 10 + w.Float64()*290
		at += w.Int64N(900)
		return fmt.Sprintf(`{"symbol":%q,"bid":%.2f,"ask":%.2f,"last":%.2f,"volume":%d,"change":%.2f,"time":%d}`, w.of("SAP", "SIE", "ALV", "BAS", "DTE", "BMW", "VOW3", "ADS"),
			last-0.02, last+0.03, last, w.IntN(20_000)*100, w.Float64()*8-4, at)
	})
}

func (w writer) feed() string {
	day, minute, id := w.time()[:11], w.IntN(300), w.IntN(1e7)
	return list(fmt.Sprintf(`{"type":"feed","user":{"id":%d,"name":%q},"items":[`, w.IntN(1e5), w.person()), fmt.Sprintf(`],"unread":%d,"cursor":%q}`, w.IntN(30), w.uuid()), func(int) string {
		minute += w.IntN(20)
		id += 1 + w.IntN(50)
		who, what, number := w.person(), w.of("invoice", "ticket", "order", "contract"), w.IntN(1e5)
		did := w.of("commented on", "approved", "assigned you to", "closed", "mentioned you in")
		return fmt.Sprintf(`{"id":%d,"actor":{"id":%d,"name":%q},"text":"%s %s %s %d","link":"/%ss/%d","at":"%s%02d:%02d:%02dZ","seen":%t}`,
			id, w.IntN(1e5), who, who, did, what, number, what, number, day, 8+minute/60, minute%60, w.IntN(60), w.IntN(2) == 0)
	})
}

func (w writer) telemetry() string {
	lat, lon, speed, fuel := 53.5+w.Float64()/50, 9.9+w.Float64()/50, w.Float64()*60, w.Float64()
	return list(fmt.Sprintf(`{"type":"telemetry","vehicle":%q,"driver":%q,"points":[`, w.uuid(), w.person()), `]}`, func(i int) string {
		lat, lon, speed, fuel = lat+w.Float64()/2000, lon-w.Float64()/2000, max(0, speed+w.Float64()*10-5), fuel*0.999
		return fmt.Sprintf(`{"t":%d,"lat":%.5f,"lon":%.5f,"speed":%.1f,"heading":%d,"fuel":%.3f,"engine":{"rpm":%d,"temp":%d},"alerts":[]}`, 1764500000+10*i,
			lat, lon, speed, 40+w.IntN(20), fuel, 900+int(speed)*40, 88+w.IntN(4))
	})
}
