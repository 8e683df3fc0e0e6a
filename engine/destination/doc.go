// Package destination says what a destination is, what a pattern of destinations matches, and which destinations a
// rule of rights allows.
//
// Patterns mean what they mean to Spring's AntPathMatcher:
//
//	?    one character, never '/'
//	*    any number of characters within a segment
//	**   as a whole segment: any number of segments, none included
//
// Segments stand between '/'; several '/' in a row separate like one. Unlike in Spring, '{' and '}' are ordinary
// characters, there is at most one "**", at most 32 segments, and a segment with several '*' has at most 64 bytes, so
// that matching stays cheap whatever a client subscribes to. A '/' at the end counts, except behind "**":
//
//	pattern     matches                              does not match
//	/a/b        /a/b  /a//b                          /a/b/
//	/a/b/       /a/b/                                /a/b
//	/a/*        /a/b  and /a/ (nothing for the '*')  /a  /a/b/  /a/b/c
//	/a/*/       /a/b/ and /a/                        /a/b
//	/a/?        /a/b                                 /a/  /a/bc
//	/a/**       /a  /a/  /a/b  /a/b/  /a/b/c         /ab
//	/a/**/      the same as /a/**
//	/a/**/z     /a/z  /a/b/z  /a/b/c/z               /a/z/  /a
//	/a/**/*     /a/b  /a/b/c                         /a  /a/  /a/b/
//	/a/*/**     /a/b  /a/b/  /a/b/c                  /a  /a/
//
// An Index finds those of many patterns that match. It knows the worst-case cost (Steps) before anything is
// matched, so that adding patterns can be limited.
//
// Nothing in this package locks or does I/O. Parsed values are immutable and may be used from any goroutine; an Index is
// for one at a time. Matching does not allocate.
package destination
