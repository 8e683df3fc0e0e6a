// Package tls13 is the record layer of TLS 1.3 (RFC 8446, sections 5, 6 and 7) on byte slices, for a server whose
// handshakes crypto/tls makes. It has no socket, clock, lock or goroutine. Sections are those of RFC 8446.
//
//	secrets.go    Secrets: takes the traffic secrets from crypto/tls's KeyLogWriter, and takes a connection over
//	records.go    Records: the keys and numbers of one connection; the one function that takes a record's number
//	layer.go      Layer: the record layer of one event loop, with the AEADs that it keeps
//	open.go       records of the client
//	seal.go       records for the client
//	keyupdate.go  KeyUpdate, both ways
//	suite.go      the cipher suites and their key schedule
//	alert.go      alerts and errors
//	ledger.go     a hook for tests, see package ledger
//
// # Take-over
//
// The handshake runs on a goroutine. Its Config has a Secrets as KeyLogWriter, and belongs to this connection alone. After
// Handshake has returned nil, nothing that crypto/tls still writes may reach the socket: it would seal it with numbers that
// are used again here. TakeOver then finds out how many records crypto/tls has sealed with the application key, because the
// server's tickets are part of its last flight.
//
//	var s tls13.Secrets
//	conf.KeyLogWriter = &s
//	... Handshake, keeping what it writes while s.Ready() ...
//	err := s.TakeOver(&r, conn.ConnectionState().CipherSuite, written)
//
// # In the loop
//
// One Layer serves all connections of an event loop.
//
//	plain, n, err := layer.Open(&r, in) // plain is a part of in; keep in[n:]
//	scratch, err = layer.Seal(scratch[:0], &r, payload)
//
// A number is never used twice with one key. So everything that Seal appends is sent, in order, or the connection is closed,
// and every error is final.
package tls13
