package websocket

import (
	"net/url"
	"strings"
)

// Parameter returns the first value of a parameter in a query, as url.Values.Get does, "" if there is none. Unlike url.ParseQuery
// it keeps nothing of the others: a query of 8 KiB can have thousands, a map of which took an event loop 340 us. The value
// aliases the query if it has no escapes.
func Parameter(query, name string) string {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(pair, "=")
		if !unescapesTo(key, name) || strings.Contains(pair, ";") {
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			return value
		}
	}
	return ""
}

// unescapesTo reports whether a key, as it is in a query, is a name. It allocates nothing.
func unescapesTo(key, name string) bool {
	for i := range len(name) {
		if key == "" {
			return false
		}
		c, n := key[0], 1
		switch {
		case c == '+':
			c = ' '
		case c == '%' && len(key) >= 3 && isHex(key[1]) && isHex(key[2]):
			c, n = unhex(key[1])<<4|unhex(key[2]), 3
		case c == '%':
			return false
		}
		if c != name[i] {
			return false
		}
		key = key[n:]
	}
	return key == ""
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
