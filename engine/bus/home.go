package bus

import "encoding/binary"

// Home is the partition of n that has the pushes to a destination: the one in which Kafka's own clients put a record with
// this key, by murmur2 with Kafka's seed, without the sign bit, modulo n.
func Home(key string, n int) int32 {
	return int32((murmur2([]byte(key)) & 0x7fffffff) % uint32(n))
}

func murmur2(data []byte) uint32 {
	const m, seed = 0x5bd1e995, 0x9747b28c
	h := seed ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	var rest [4]byte
	if copy(rest[:], data) > 0 {
		h = (h ^ binary.LittleEndian.Uint32(rest[:])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
