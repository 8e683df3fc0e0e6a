package sockjs

// Readable is the header lines, each with its CR LF, with which a page of this origin, which is welcome, may read an answer. Clients
// send their cookies with each request, whether there are any or not, and then no browser accepts "*".
func Readable(origin string) string {
	if origin == "" {
		return "Vary: Origin\r\nAccess-Control-Allow-Origin: *\r\n"
	}
	return "Vary: Origin\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Allow-Origin: " + origin + "\r\n"
}

// Preflight is the header lines that allow a page, which is welcome, these methods and the headers that it asked for. It may keep
// the answer, as the protocol wants it.
func Preflight(origin, asked, methods string) string {
	const year = "31536000" // seconds
	lines := "Cache-Control: public, max-age=" + year + "\r\nAccess-Control-Max-Age: " + year + "\r\nAccess-Control-Allow-Methods: " + methods + "\r\n" + Readable(origin)
	if asked != "" {
		lines += "Access-Control-Allow-Headers: " + asked + "\r\n"
	}
	return lines
}
