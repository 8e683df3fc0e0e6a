package session

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"stentor/stomp"
)

func TestTransaction(t *testing.T) {
	session := func(v stomp.Version) Session { return Session{Phase: Connected, Version: v} }
	runAll(t, []script{
		{
			name: "commit", session: session(stomp.V12),
			send: text("BEGIN\ntransaction:t\nreceipt:1\n\n\x00",
				"SEND\ndestination:/topic/a\\c1\ntransaction:t\nreceipt:2\nx:y\n\nfirst\x00",
				"SEND\ndestination:/topic/now\n\nat once\x00",
				"ACK\nid:m\ntransaction:t\n\n\x00NACK\nid:n\ntransaction:t\nreceipt:3\n\n\x00",
				"SEND\ndestination:/topic/a\ntransaction:t\ncontent-length:3\n\na\x00b\x00",
				"COMMIT\ntransaction:t\nreceipt:4\n\n\x00SEND\ndestination:/topic/behind\nreceipt:5\n\n\x00"),
			events: []string{
				"Begin receipt=1", "Send destination=/topic/now body=at once",
				"Send destination=/topic/a:1 body=first", "Ack id=m", "Nack id=n", "Send destination=/topic/a body=a\x00b", "Commit receipt=4",
				"Send destination=/topic/behind receipt=5",
			},
			replies: []string{receipt("1"), receipt("2"), receipt("3"), receipt("4"), receipt("5")}, phase: Connected,
		},
		{
			name: "1.1", session: session(stomp.V11),
			send:   text("BEGIN\ntransaction:t\\c\n\n\x00ACK\nmessage-id:m\nsubscription:0\ntransaction:t\\c\n\n\x00COMMIT\ntransaction:t\\c\n\n\x00"),
			events: []string{"Begin", "Ack id=m sub=0", "Commit"}, phase: Connected,
		},
		{
			name: "1.0", session: session(stomp.V10),
			send:   text("BEGIN\ntransaction:t\\c\n\n\x00", "ACK\nmessage-id:m\ntransaction:t\\c\n\n\x00", "COMMIT\ntransaction:t\\c\n\n\x00"),
			events: []string{"Begin", "Ack id=m", "Commit"}, phase: Connected,
		},
		{
			name: "empty", session: session(stomp.V12),
			send:   text("BEGIN\ntransaction:t\n\n\x00COMMIT\ntransaction:t\nreceipt:1\n\n\x00"),
			events: []string{"Begin", "Commit receipt=1"}, replies: []string{receipt("1")}, phase: Connected,
		},
		{
			name: "abort", session: session(stomp.V12),
			send: text("BEGIN\ntransaction:t\n\n\x00SEND\ndestination:/topic/a\ntransaction:t\n\n\x00ABORT\ntransaction:t\nreceipt:1\n\n\x00",
				"BEGIN\ntransaction:t\n\n\x00COMMIT\ntransaction:t\n\n\x00"),
			events: []string{"Begin", "Abort receipt=1", "Begin", "Commit"}, replies: []string{receipt("1")}, phase: Connected,
		},
		{
			name: "two at a time", session: session(stomp.V12),
			send: text("BEGIN\ntransaction:t\n\n\x00BEGIN\ntransaction:u\n\n\x00SEND\ndestination:/t/1\ntransaction:t\n\n\x00",
				"SEND\ndestination:/u/1\ntransaction:u\n\n\x00SEND\ndestination:/t/2\ntransaction:t\n\n\x00",
				"COMMIT\ntransaction:u\n\n\x00COMMIT\ntransaction:t\n\n\x00"),
			events: []string{"Begin", "Begin", "Send destination=/u/1", "Commit", "Send destination=/t/1", "Send destination=/t/2", "Commit"}, phase: Connected,
		},
		{
			name: "only SEND, ACK and NACK take part", session: session(stomp.V12),
			send:   text("BEGIN\ntransaction:t\n\n\x00SUBSCRIBE\nid:0\ndestination:/topic/a\ntransaction:t\n\n\x00UNSUBSCRIBE\nid:0\ntransaction:t\n\n\x00ABORT\ntransaction:t\n\n\x00"),
			events: []string{"Begin", "Subscribe destination=/topic/a id=0", "Unsubscribe id=0", "Abort"}, phase: Connected,
		},
		{
			name: "begun twice", session: session(stomp.V12),
			send:    text("BEGIN\ntransaction:t\n\n\x00BEGIN\ntransaction:t\nreceipt:1\n\n\x00"),
			events:  []string{"Begin", "Failed protocol: this transaction is already open"},
			replies: []string{failure("protocol", "this transaction is already open", "receipt-id:1"), "close 1002 this transaction is already open"}, phase: Closing,
		},
		{
			name: "over", session: session(stomp.V12),
			send:    text("BEGIN\ntransaction:t\n\n\x00COMMIT\ntransaction:t\n\n\x00SEND\ndestination:/topic/a\ntransaction:t\n\n\x00"),
			events:  []string{"Begin", "Commit", "Failed protocol: no such transaction is open"},
			replies: []string{failure("protocol", "no such transaction is open"), "close 1002 no such transaction is open"}, phase: Closing,
		},
		{
			name: "long name", session: session(stomp.V12), send: text("BEGIN\ntransaction:" + strings.Repeat("t", testConfig.IDBytes+1) + "\n\n\x00"),
			events:  []string{"Failed limit: the transaction's name is too long (subscription_id_bytes)"},
			replies: []string{failure("limit", "the transaction's name is too long"), "close 1008 the transaction's name is too long"}, phase: Closing,
		},
	})
}

// TestTransactionReceipts gives the receipts of a transaction their turn behind an answer that comes late.
func TestTransactionReceipts(t *testing.T) {
	p := connected(t, stomp.V12)
	var tokens []uint32
	p.own = func(ev *Event) bool {
		if ev.Kind != Send && ev.Kind != Commit {
			return false
		}
		tokens = append(tokens, p.m.Await(&p.s, ev.Receipt, ev.HasReceipt, 0))
		return true
	}
	p.feed(text("SEND\ndestination:/topic/a\nreceipt:1\n\n\x00", "BEGIN\ntransaction:t\nreceipt:2\n\n\x00", "SEND\ndestination:/topic/b\ntransaction:t\nreceipt:3\n\n\x00"))
	p.m.Settle(&p.s, tokens[0], "")
	p.feed(text("COMMIT\ntransaction:t\nreceipt:4\n\n\x00"))
	if got, want := p.replies(), []string{receipt("1"), receipt("2"), receipt("3")}; !slices.Equal(got, want) {
		t.Fatalf("the receipt of COMMIT waits for what it carried out: %q", got)
	}
	p.m.Settle(&p.s, tokens[1], "")
	p.flush()
	p.expect([]string{"Send destination=/topic/a receipt=1", "Begin receipt=2", "Send destination=/topic/b", "Commit receipt=4"},
		[]string{receipt("1"), receipt("2"), receipt("3"), receipt("4")})
	if p.s.owed != nil {
		t.Error("something is owed")
	}
}

func TestTransactionLimits(t *testing.T) {
	const tooLarge, tooMany = "the open transactions are too large", "too many transactions are open"
	p := connected(t, stomp.V12)
	for i := range maxTransactions + 1 {
		p.feed(text(fmt.Sprintf("BEGIN\ntransaction:%d\n\n\x00", i)))
	}
	if got, want := p.replies(), []string{failure("limit", tooMany), "close 1008 " + tooMany}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}

	conf := testConfig
	conf.TransactionBytes = 64 << 20
	p = newPlayer(t, conf)
	p.s, p.alone = Session{Phase: Connected, Version: stomp.V12}, true
	p.feed(text("BEGIN\ntransaction:t\n\n\x00"))
	for range maxParts + 1 {
		p.feed(text("ACK\ntransaction:t\n\n\x00"))
	}
	if got := p.events[len(p.events)-1]; len(p.events) != 2 || !strings.HasPrefix(got, "Failed limit: the transaction has too many frames") {
		t.Errorf("%d events, %q", len(p.events), got)
	}

	// Both transactions count; what ABORT gives back may be used again.
	p = connected(t, stomp.V12)
	big := strings.Repeat("b", 1500)
	p.feed(text("BEGIN\ntransaction:t\n\n\x00BEGIN\ntransaction:u\n\n\x00"))
	for range 3 {
		p.feed(text("SEND\ndestination:/topic/a\ntransaction:t\n\n"+big+"\x00", "ABORT\ntransaction:t\n\n\x00", "BEGIN\ntransaction:t\n\n\x00"))
	}
	p.feed(text("SEND\ndestination:/topic/a\ntransaction:t\n\n"+big+"\x00", "SEND\ndestination:/topic/a\ntransaction:u\n\n"+big+"\x00"))
	if p.s.Phase != Connected || len(p.out) > 0 {
		t.Fatalf("%q", p.replies())
	}
	p.feed(text("SEND\ndestination:/topic/a\ntransaction:u\nreceipt:last\n\n" + big + "\x00"))
	if got, want := p.replies(), []string{failure("limit", tooLarge, "receipt-id:last"), "close 1008 " + tooLarge}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if p.s.owed != nil {
		t.Error("the transactions are kept")
	}
}

// TestTransactionCost fills transactions with frames of all shapes: what they are counted for must cover what they
// hold.
func TestTransactionCost(t *testing.T) {
	short, long := "", ""
	for i := range 30 {
		short += fmt.Sprintf("%d:\n", i)
		long += fmt.Sprintf("header-%d:%s\n", i, strings.Repeat("v", 20))
	}
	for name, frame := range map[string]string{
		"empty":         "ACK\ntransaction:t\n\n\x00",
		"short":         "ACK\nid:1\ntransaction:t\n\n\x00",
		"short headers": "ACK\n" + short + "transaction:t\n\n\x00",
		"long headers":  "ACK\n" + long + "transaction:t\n\n\x00",
		"body":          "SEND\ndestination:/topic/a\ntransaction:t\n\n" + strings.Repeat("b", 1000) + "\x00",
	} {
		conf := testConfig
		conf.Headers, conf.TransactionBytes, conf.HeaderBytes = 40, 1<<20, 4096
		p := newPlayer(t, conf)
		p.s = Session{Phase: Connected, Version: stomp.V12}
		p.own = func(ev *Event) bool { return ev.Kind == Failed }
		p.turn(&p.s, text("BEGIN\ntransaction:t\n\n\x00"), func(*Event) {})
		message := text(frame)
		in := make([]byte, len(message))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		full := false
		for !full {
			copy(in, message)
			p.turn(&p.s, in, func(ev *Event) { full = ev.Kind == Failed })
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		held := int(after.HeapAlloc) - int(before.HeapAlloc)
		if held > conf.TransactionBytes+conf.TransactionBytes/4 {
			t.Errorf("%s: %d frames that count as %d bytes hold %d", name, len(p.s.owed.txs["t"].frames), p.s.owed.txBytes, held)
		}
		runtime.KeepAlive(p)
	}
}
