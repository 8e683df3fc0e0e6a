package sockjs

import "strconv"

// AppendInfo appends the body of /info. baseURL is where the client is to open its transports, empty for where it asked; it is
// ASCII. entropy is random.
func AppendInfo(dst []byte, baseURL string, entropy uint32) []byte {
	dst = append(dst, `{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":`...)
	dst = strconv.AppendUint(dst, uint64(entropy), 10)
	if baseURL != "" {
		dst = append(dst, `,"base_url":"`...)
		dst = Append(dst, []byte(baseURL))
		dst = append(dst, '"')
	}
	return append(dst, "}\n"...)
}
