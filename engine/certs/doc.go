// Package certs makes the tls.Config of a server from files, and follows their changes: certificates by name, authorities for
// clients, keys of tickets. crypto/tls does the rest: this package contains no cryptography.
//
//	certs.go    Certs: what is served now, and how it is replaced
//	pair.go     a certificate with its key, and when it expires
//	pem.go      reads certificates: all of a file, or an error
//	tickets.go  the file of ticket keys
//	failure.go  why handshakes fail
//	watch.go    reads the files again, and says what is about to expire
package certs
