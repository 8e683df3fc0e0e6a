package deflate

import (
	"encoding/binary"
	"errors"
)

// Errors of Inflate.
var (
	// ErrTooLarge is about a message that inflates to more than is allowed.
	ErrTooLarge = errors.New("compressed message is larger than the limit")
	// ErrCorrupt is about what is not DEFLATE, or not complete.
	ErrCorrupt = errors.New("compressed message cannot be inflated")
	// ErrBlocks is about a message that no compressor makes: its blocks take more time than their content.
	ErrBlocks = errors.New("compressed message has too many blocks")
)

// Inflater inflates messages (RFC 1951). It keeps nothing from one message to the next; one serves all connections of an
// event loop.
type Inflater struct {
	literals, distances codes
	lengths             [maxLiterals + maxDistances]uint8 // of the codes of a dynamic block

	src   []byte
	bits  uint64 // read from src and not yet used, the first one lowest
	nbits uint
	out   []byte
	base  int // where the window begins in out
	most  int // bytes of out
	left  int // dynamic blocks that may still come

	// Blocks is how many blocks with codes of their own the last message had.
	Blocks int
}

// A dynamic block costs up to 2 us for its tables, even if it is a few bytes long and contains nothing. A compressor makes
// one where it pays, and some at flushes.
const (
	freeBlocks = 32
	blockBytes = 256 // of the message, for each further one
)

// Inflate appends the content of a message to dst: src is its payload, without the four bytes 00 00 ff ff that senders cut
// off (RFC 7692 section 7.2.2). It appends at most most bytes, and returns dst as it was with an error. A block with the
// final bit ends a DEFLATE stream, and another may follow it (section 7.2.3.4).
func (f *Inflater) Inflate(dst, src []byte, most int) ([]byte, error) {
	f.src, f.bits, f.nbits = src, 0, 0
	f.out, f.base, f.most = dst, len(dst), len(dst)+most
	f.left, f.Blocks = freeBlocks+len(src)/blockBytes, 0
	err := f.message()
	out := f.out
	f.src, f.out = nil, nil
	if err != nil {
		return dst, err
	}
	return out, nil
}

// message inflates all blocks.
func (f *Inflater) message() error {
	if len(f.src) == 0 {
		return nil
	}
	for {
		if !f.need(3) {
			return ErrCorrupt
		}
		header := f.take(3)
		var err error
		switch header >> 1 {
		case 0:
			var ended bool
			if ended, err = f.stored(); ended {
				return nil
			}
		case 1:
			err = f.block(&fixedLiterals, &fixedDistances)
		case 2:
			if err = f.dynamic(); err == nil {
				err = f.block(&f.literals, &f.distances)
			}
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return err
		}
		if header&1 != 0 { // the end of a DEFLATE stream: the next one begins at a byte, with an empty window
			f.align()
			if len(f.src) == 0 && f.nbits == 0 {
				return nil
			}
			f.base = len(f.out)
		}
	}
}

// need has at least n bits ready, and reports false when the message has no more of them.
func (f *Inflater) need(n uint) bool {
	if f.nbits < n {
		f.fill()
	}
	return f.nbits >= n
}

// fill reads ahead, up to 56 bits and more.
func (f *Inflater) fill() {
	if len(f.src) >= 8 {
		f.bits |= binary.LittleEndian.Uint64(f.src) << f.nbits
		n := (63 - f.nbits) / 8
		f.src = f.src[n:]
		f.nbits += n * 8
		f.bits &= 1<<f.nbits - 1
		return
	}
	for f.nbits <= 56 && len(f.src) > 0 {
		f.bits |= uint64(f.src[0]) << f.nbits
		f.src = f.src[1:]
		f.nbits += 8
	}
}

// take uses n bits that are ready.
func (f *Inflater) take(n uint) uint {
	v := uint(f.bits & (1<<n - 1))
	f.bits >>= n
	f.nbits -= n
	return v
}

// align skips to the next byte.
func (f *Inflater) align() { f.take(f.nbits % 8) }

// stored copies a stored block (RFC 1951 section 3.2.4). The message ends at the header of the one whose lengths were cut
// off.
func (f *Inflater) stored() (ended bool, err error) {
	f.align()
	if f.nbits == 0 && len(f.src) == 0 {
		return true, nil
	}
	if !f.need(32) {
		return false, ErrCorrupt
	}
	n, inverse := int(f.take(16)), int(f.take(16))
	if n != inverse^0xFFFF {
		return false, ErrCorrupt
	}
	if n > f.most-len(f.out) {
		return false, ErrTooLarge
	}
	for ; n > 0 && f.nbits > 0; n-- {
		f.out = append(f.out, byte(f.take(8)))
	}
	if n > len(f.src) {
		return false, ErrCorrupt
	}
	f.out = append(f.out, f.src[:n]...)
	f.src = f.src[n:]
	return false, nil
}

// dynamic reads the codes of a block that has its own (RFC 1951 section 3.2.7).
func (f *Inflater) dynamic() error {
	if f.left--; f.left < 0 {
		return ErrBlocks
	}
	f.Blocks++
	if !f.need(14) {
		return ErrCorrupt
	}
	literals, distances, lengths := int(f.take(5))+257, int(f.take(5))+1, int(f.take(4))+4
	if literals > maxLiterals || distances > maxDistances {
		return ErrCorrupt
	}
	var of [len(lengthOrder)]uint8
	for _, at := range lengthOrder[:lengths] {
		if !f.need(3) {
			return ErrCorrupt
		}
		of[at] = uint8(f.take(3))
	}
	if !f.literals.make(of[:]) { // they are replaced below
		return ErrCorrupt
	}
	all := f.lengths[:literals+distances]
	for i := 0; i < len(all); {
		symbol, ok := f.symbol(&f.literals)
		if !ok {
			return ErrCorrupt
		}
		if symbol < 16 {
			all[i] = uint8(symbol)
			i++
			continue
		}
		repeat := repeats[symbol-16]
		var value uint8
		if symbol == 16 {
			if i == 0 {
				return ErrCorrupt
			}
			value = all[i-1]
		}
		if !f.need(repeat.bits) {
			return ErrCorrupt
		}
		n := repeat.base + int(f.take(repeat.bits))
		if n > len(all)-i {
			return ErrCorrupt
		}
		for ; n > 0; n-- {
			all[i] = value
			i++
		}
	}
	if !f.literals.make(all[:literals]) || !f.distances.make(all[literals:]) {
		return ErrCorrupt
	}
	return nil
}

// lengthOrder is in which order a dynamic block has the lengths of the codes for code lengths.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// repeats are the code lengths 16 to 18, which repeat the last one, or zero.
var repeats = [3]struct {
	base int
	bits uint
}{{3, 2}, {3, 3}, {11, 7}}

// block inflates the symbols of a block (RFC 1951 section 3.2.3).
func (f *Inflater) block(literals, distances *codes) error {
	const end = 256
	for {
		symbol, ok := f.symbol(literals)
		switch {
		case !ok:
			return ErrCorrupt
		case symbol < end:
			if len(f.out) == f.most {
				return ErrTooLarge
			}
			f.out = append(f.out, byte(symbol))
		case symbol == end:
			return nil
		default:
			if err := f.match(symbol-end-1, distances); err != nil {
				return err
			}
		}
	}
}

// match copies what the output has already (RFC 1951 section 3.2.5).
func (f *Inflater) match(code int, distances *codes) error {
	if code >= len(lengthCodes) {
		return ErrCorrupt
	}
	extra := lengthCodes[code]
	if !f.need(extra.bits) {
		return ErrCorrupt
	}
	n := extra.base + int(f.take(extra.bits))
	symbol, ok := f.symbol(distances)
	if !ok || symbol >= len(distanceCodes) {
		return ErrCorrupt
	}
	extra = distanceCodes[symbol]
	if !f.need(extra.bits) {
		return ErrCorrupt
	}
	back := extra.base + int(f.take(extra.bits))
	from := len(f.out) - back
	if from < f.base {
		return ErrCorrupt
	}
	if n > f.most-len(f.out) {
		return ErrTooLarge
	}
	for n > back { // it overlaps itself: what was copied is copied again
		f.out = append(f.out, f.out[from:from+back]...)
		n -= back
		back *= 2
	}
	f.out = append(f.out, f.out[from:from+n]...)
	return nil
}

// extra is the base of a length or distance, and how many bits add to it.
type extra struct {
	base int
	bits uint
}

var lengthCodes = [29]extra{
	{3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {8, 0}, {9, 0}, {10, 0}, {11, 1}, {13, 1}, {15, 1}, {17, 1}, {19, 2}, {23, 2}, {27, 2},
	{31, 2}, {35, 3}, {43, 3}, {51, 3}, {59, 3}, {67, 4}, {83, 4}, {99, 4}, {115, 4}, {131, 5}, {163, 5}, {195, 5}, {227, 5}, {258, 0},
}

var distanceCodes = [30]extra{
	{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 1}, {7, 1}, {9, 2}, {13, 2}, {17, 3}, {25, 3}, {33, 4}, {49, 4}, {65, 5}, {97, 5}, {129, 6},
	{193, 6}, {257, 7}, {385, 7}, {513, 8}, {769, 8}, {1025, 9}, {1537, 9}, {2049, 10}, {3073, 10}, {4097, 11}, {6145, 11},
	{8193, 12}, {12289, 12}, {16385, 13}, {24577, 13},
}
