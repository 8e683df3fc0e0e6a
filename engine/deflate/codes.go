package deflate

import "math/bits"

const (
	maxLiterals  = 286
	maxDistances = 30
	maxBits      = 15
	quickBits    = 9
)

// codes is a Huffman code in canonical form (RFC 1951 section 3.2.2). Codes of up to quickBits bits are found in a table,
// longer ones bit by bit.
type codes struct {
	quick   [1 << quickBits]uint16 // by the next bits: symbol<<4 and the length of its code; 0: the code is longer, or none
	counts  [maxBits + 1]uint16    // codes of each length
	symbols [maxLiterals + 2]uint16
}

// make builds the code in which symbol i has lengths[i] bits, 0 for none. It reports false when there are more codes than
// fit, or fewer than that, except for a single one of one bit, or none at all.
func (c *codes) make(lengths []uint8) bool {
	c.counts = [maxBits + 1]uint16{}
	for _, n := range lengths {
		c.counts[n]++
	}
	used := len(lengths) - int(c.counts[0])
	c.counts[0] = 0
	var at, code [maxBits + 1]uint16 // of each length: the place of its first symbol, and its first code
	room := 1
	for n := 1; n <= maxBits; n++ {
		room = room<<1 - int(c.counts[n])
		if room < 0 {
			return false
		}
		at[n] = at[n-1] + c.counts[n-1]
		code[n] = (code[n-1] + c.counts[n-1]) << 1
	}
	if room > 0 && used > 0 && (used != 1 || c.counts[1] != 1) {
		return false
	}
	c.quick = [1 << quickBits]uint16{}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		c.symbols[at[n]] = uint16(symbol)
		at[n]++
		if n <= quickBits {
			entry := uint16(symbol)<<4 | uint16(n)
			for i := int(bits.Reverse16(code[n]) >> (16 - n)); i < len(c.quick); i += 1 << n {
				c.quick[i] = entry
			}
		}
		code[n]++
	}
	return true
}

// symbol reads one.
func (f *Inflater) symbol(c *codes) (symbol int, ok bool) {
	if f.nbits < maxBits {
		f.fill()
	}
	entry := c.quick[f.bits&(1<<quickBits-1)]
	if n := uint(entry & 15); n > 0 {
		if n > f.nbits {
			return 0, false
		}
		f.take(n)
		return int(entry >> 4), true
	}
	var code, first, at int // of the codes with n bits: the one that is read, the first, and its place
	for n := uint(1); n <= maxBits; n++ {
		code |= int(f.bits >> (n - 1) & 1)
		count := int(c.counts[n])
		if code-first < count {
			if n > f.nbits {
				return 0, false
			}
			f.take(n)
			return int(c.symbols[at+code-first]), true
		}
		at += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, false
}

// fixedLiterals and fixedDistances are the codes of blocks without their own (RFC 1951 section 3.2.6).
var fixedLiterals, fixedDistances = func() (literals, distances codes) {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	literals.make(lengths[:])
	for i := range 32 {
		lengths[i] = 5
	}
	distances.make(lengths[:32])
	return literals, distances
}()
