package tls13

import (
	"bytes"
	"encoding/hex"
	"testing"

	"stentor/engine/testkit/ledger"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The trace of RFC 8448, section 3, from the ticket on.
const (
	traceClient = "CLIENT_TRAFFIC_SECRET_0 cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7 9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5\n"
	traceServer = "SERVER_TRAFFIC_SECRET_0 cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7 a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643\n"

	traceClientKey, traceClientIV = "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"
	traceServerKey, traceServerIV = "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"

	traceTicket = "17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758db289a" +
		"015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e0" +
		"9c30ba1e62972ac46f75f7b981be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77" +
		"f81b5ab05b94c01346755f69232c86519d86cbeeac87aac347d143f9605d64f650db4d023e70e952ca49fe5137121c74" +
		"bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b37bf15985684f"
	traceClientData = "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
	traceServerData = "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d"
	traceClientEnd  = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3"
	traceServerEnd  = "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"
)

func TestRFC8448(t *testing.T) { ledger.Without(func() { testRFC8448(t) }) }

func testRFC8448(t *testing.T) {
	var s Secrets
	for _, line := range []string{traceClient, traceServer} {
		if s.Ready() {
			t.Error("ready before both secrets are there")
		}
		if n, err := s.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if !s.Ready() {
		t.Error("not ready")
	}
	var r Records
	if err := s.TakeOver(&r, AES128GCMSHA256, unhex(t, traceTicket)); err != nil {
		t.Fatal(err)
	}
	if s != (Secrets{}) {
		t.Error("secrets are left")
	}
	for _, c := range []struct {
		name, want string
		got        []byte
	}{
		{"client's key", traceClientKey, r.in.key[:16]},
		{"client's IV", traceClientIV, r.in.iv[:]},
		{"server's key", traceServerKey, r.out.key[:16]},
		{"server's IV", traceServerIV, r.out.iv[:]},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("the %s is wrong", c.name)
		}
	}
	data := make([]byte, 50)
	for i := range data {
		data[i] = byte(i)
	}
	l := NewLayer(0)
	if out, err := l.Seal(nil, &r, data); err != nil || !bytes.Equal(out, unhex(t, traceServerData)) {
		t.Errorf("%x, %v", out, err)
	}
	if out, err := l.Alert(nil, &r, CloseNotify); err != nil || !bytes.Equal(out, unhex(t, traceServerEnd)) {
		t.Errorf("%x, %v", out, err)
	}
	if plain, err := open(l, &r, unhex(t, traceClientData+traceClientEnd), 10); err != ErrCloseNotify || !bytes.Equal(plain, data) {
		t.Errorf("%x, %v", plain, err)
	}
}

// Without the ticket the first number is 0.
func TestTakeOverCounts(t *testing.T) {
	for _, c := range []struct {
		written string
		number  uint64
		failed  bool
	}{
		{"", 0, false},
		{traceTicket, 1, false},
		{"140303000101" + traceTicket, 1, false},
		{traceClientData + traceTicket, 1, false}, // a record of another key
		{traceTicket + traceServerData, 2, false},
		{traceServerData + traceTicket, 1, false}, // does not open as number 0
		{traceTicket + traceTicket, 0, true},      // what follows must open
		{traceTicket + "140303000101", 0, true},
		{traceTicket[:100], 0, true},
		{"17030300", 0, true},
		{"1603030100", 0, true},
		{traceTicket + "17", 0, true},
		{"17030300000000", 0, true},
	} {
		var s Secrets
		_, _ = s.Write([]byte(traceClient))
		_, _ = s.Write([]byte(traceServer))
		var r Records
		var err error
		ledger.Without(func() { err = s.TakeOver(&r, AES128GCMSHA256, unhex(t, c.written)) })
		if (err != nil) != c.failed || r.out.number != c.number || r.in.number != 0 {
			t.Errorf("%.60s: number %d, error %v", c.written, r.out.number, err)
		}
		if c.failed && r.is(inOpen|outOpen) {
			t.Errorf("%.60s: open after an error", c.written)
		}
	}
}
