// Package proxyproto reads the header of the PROXY protocol, versions 1 and 2, with which a proxy says who connected to
// it. Sections are those of HAProxy's doc/proxy-protocol.txt.
//
// Decode works on a byte slice and keeps nothing: the caller offers what has arrived so far, from the first byte on, until
// the header is complete. It reads nothing behind it.
//
//	h, n, err := proxyproto.Decode(in)
//	switch {
//	case err != nil: // not such a header; close
//	case n == 0: // more is needed; at most MaxBytes
//	case h.Source.IsValid(): // in[n:] is from h.Source
//	default: // in[n:] is from the proxy itself, or it does not know from whom
//	}
//
// The caller decides whom to believe: section 2 requires the header from trusted proxies only, and always or never.
package proxyproto
