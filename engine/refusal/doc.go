// Package refusal names every cause for which a client, a tenant or a back end is refused, counts it, and writes one line
// for it, so that the log alone answers the question "why was I refused".
//
//	refusals := refusal.NewLog(slog.Default())
//	refusals.Refuse(refusal.Record{Reason: refusal.Origin, Address: peer, Subject: "https://shop.example"})
//
//	level=INFO msg=refused reason=origin code=403 address=192.0.2.7:50211 subject=https://shop.example ...
//
// Anybody can be refused as often as they like. So Refuse never waits, the lines of one reason and project have a rate of
// their own, in which one client has a small part, and what is left out is counted in the next line (gate.go).
// docs/refusals.md is made of the table in reason.go; a test compares the two.
package refusal
