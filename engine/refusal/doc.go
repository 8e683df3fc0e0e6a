// Package refusal names every reason for which a client, a tenant or a back end is refused, counts it, and logs one line
// for it, so that the log alone answers the question "why was I refused".
//
//	refusals := refusal.NewLog(slog.Default())
//	refusals.Refuse(refusal.Record{Reason: refusal.Origin, Address: peer, Subject: "https://shop.example"})
//
//	level=INFO msg=refused reason=origin code=403 address=192.0.2.7:50211 subject=https://shop.example ...
//
// A client can cause refusals without end. So Refuse never waits; the lines of one reason and project have a rate of
// their own, of which one client has a small part; and suppressed lines are counted in the next one (gate.go).
// docs/refusals.md shows the table in reason.go; a test compares the two.
package refusal
