// Package auth decides which project a client belongs to, who it is, and what it may do.
//
// A Project is compiled from its configuration once and never changes. Projects is the set that is currently
// served; Swap replaces the set, and with it the cache of tokens.
//
// An Authenticator turns what a client presents into an Identity:
//
//	id, err, ok := a.Authenticate(credentials, done)
//
// With ok the answer is final: nothing had to be verified, or the same token had been verified before. Otherwise a worker
// verifies it and calls done. Event loops call Authenticate; it never blocks. Projects take turns at the workers, and
// within a project the addresses of its clients. A full queue refuses those with the most entries. So in a flood of bad
// tokens, others wait for one verification each, not for all of them.
//
// Keys of an identity provider are those of a jwks.Source. A token that none of them verifies is parked until the provider
// was asked, since a newer key may have signed it: no worker waits for a provider. Only then it is refused; where the provider
// does not answer, the client is told to come back. When a key is gone, the cache forgets what the project's keys have verified.
//
// # Tokens
//
// A token is a JWS in compact form with JSON claims, at most 8 KiB, signed with RS256, ES256, EdDSA or HS256. A key is
// for one algorithm, named in the configuration; the token's header only selects among the project's keys.
// A header kid selects the key of that name, or else those without a name; with no kid every key of the algorithm is
// tried, up to four. A header crit is refused, since no extension is known (RFC 7515, 4.1.11).
//
//	exp        optional; from that second on the token has expired
//	nbf        optional; 30 s of leeway
//	iss, aud   compared when the project names them
//	user       the first of the project's user claims that is there; a string, or an integer, which becomes its text.
//	           At most 256 bytes without control characters. A token need not name a user
//	subscribe  optional; a destination pattern or a list of up to 64, with {project} and {user}, that are quick to
//	           match: text of several characters between two '*' is not, above all with a '?' or {user} in it. Then
//	           only what both the project's rules and these allow may be subscribed
//
// Tokens and keys appear in no error and nowhere else.
package auth
