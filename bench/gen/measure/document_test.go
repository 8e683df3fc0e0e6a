package measure

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
)

// The corpus is fixed: what was measured with it can be compared with what is measured years later.
func TestDocuments(t *testing.T) {
	sum := sha256.New()
	size, packed := 0, 0
	for seq := range uint32(documentCount) {
		whole := Payload{Seq: seq, Due: 1732292160123456789 + int64(seq), Stream: 77}
		b := whole.AppendDocument(nil)
		if p, ok := ParsePayload(b); !ok || p != whole {
			t.Fatalf("%d: %+v, %v", seq, p, ok)
		}
		if !json.Valid(b) || len(b) < 1900 || len(b) > 2500 {
			t.Errorf("%d: %d bytes: %s", seq, len(b), b)
		}
		sum.Write(b)
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(b)
		_ = w.Close()
		size, packed = size+len(b), packed+out.Len()
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != "a2a927cb628f590ed35d5e54c781b1d9f9df195b9fec8af493b8bcedd56aebcd" {
		t.Errorf("the corpus has changed: %s", got)
	}
	t.Logf("%d bytes each, %.1f%% of them by level 1", size/documentCount, 100*float64(packed)/float64(size))
	whole := Payload{Seq: 5, Due: 1732292160123456789, Stream: 77}
	b := whole.AppendDocument(nil)
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1
		if p, ok := ParsePayload(c); ok && p == whole {
			t.Errorf("byte %d changed unnoticed: %s", i, c)
		}
	}
}
