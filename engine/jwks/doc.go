// Package jwks keeps the keys that identity providers publish as JSON Web Key Sets (RFC 7517).
//
// A Source is one provider: the URL of its set, or its issuer, whose discovery document names that URL (OpenID Connect
// Discovery 1.0, section 4). A goroutine of its own fetches the set, again and again, one fetch at a time: in time, and
// when somebody asks for it, at most once in MinPause. What was fetched last is kept while the provider is away, for
// Options.MaxAge. Reading it takes no lock.
//
// Providers are trusted to say which keys are theirs, and with nothing else. An answer is bounded in bytes, keys and time.
// Redirects are not followed. One that is no key set, or has no key that can be used, counts as a failure, and changes
// nothing. Keys that are secrets (oct), private, or for encryption are passed over.
//
// Sources has all of a process's, so that projects with the same provider share one, and a reload keeps what is known.
package jwks
