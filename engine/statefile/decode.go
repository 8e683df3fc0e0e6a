package statefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"math"
)

var (
	// ErrForeign is the answer to a file of another kind.
	ErrForeign = errors.New("it is not a state file of Stentor")
	// ErrDamaged is the answer to a file that was not written to its end, or was changed since.
	ErrDamaged = errors.New("it is damaged: its checksum does not fit")

	errRecords = errors.New("its records do not fit together")
)

// Decode reads a whole file, so that a State has no errors. It keeps b.
func Decode(b []byte) (*State, error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok {
		return nil, ErrForeign
	}
	end := len(b) - sumSize
	if len(rest) < sumSize || crc64.Checksum(b[:end], table) != binary.BigEndian.Uint64(b[end:]) {
		return nil, ErrDamaged
	}
	d := decoder{rest: rest[:len(rest)-sumSize]}
	if v := d.uvarint(); v != version {
		return nil, fmt.Errorf("it has version %d, this node reads version %d", v, version)
	}
	s := &State{Epoch: d.uvarint()}
	chains := d.rest
	seen := map[int32]bool{} // of chains
	for !d.bad && len(d.rest) > 0 && d.rest[0] == chainRecord {
		partition, key := d.chain()
		d.pushes(func(int64, uint64) {})
		d.floor()
		d.bad = d.bad || len(key) == 0
		seen[partition] = true
		s.count++
	}
	s.chains = chains[:len(chains)-len(d.rest)]
	s.Partitions = d.end()
	for _, p := range s.Partitions {
		delete(seen, p.Number)
	}
	if d.bad || len(d.rest) > 0 || len(seen) > 0 {
		return nil, errRecords
	}
	return s, nil
}

// decoder reads records. After an error it reads zeros.
type decoder struct {
	rest []byte
	bad  bool
}

// chain reads a chain up to its pushes.
func (d *decoder) chain() (partition int32, key []byte) {
	d.take(1)
	partition = d.number()
	return partition, d.take(d.uvarint())
}

// pushes reads the pushes of a chain.
func (d *decoder) pushes(f func(offset int64, order uint64)) {
	offset, order := int64(-1), uint64(0)
	for {
		step := d.uvarint()
		if step == 0 {
			return
		}
		later := d.uvarint()
		if step > math.MaxInt64-1 || offset+1 > math.MaxInt64-1-int64(step) || order+later < order {
			d.fail()
			return
		}
		offset, order = offset+int64(step), order+later
		f(offset, order)
	}
}

// floor reads the end of a chain.
func (d *decoder) floor() (offset int64, order uint64) {
	behind := d.uvarint()
	if behind > math.MaxInt64-1 {
		d.fail()
		return -1, 0
	}
	if behind > 0 {
		order = d.uvarint()
	}
	return int64(behind) - 1, order
}

// end reads the last record.
func (d *decoder) end() (all []Partition) {
	if b := d.take(1); len(b) == 0 || b[0] != endRecord {
		d.fail()
	}
	once := map[int32]bool{}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		p := Partition{Number: d.number()}
		for _, offset := range p.offsets() {
			if *offset = d.varint(); *offset < -1 || *offset == math.MaxInt64 {
				d.fail()
			}
		}
		if once[p.Number] || p.Begin < 0 || p.Next < p.Begin {
			d.fail()
		}
		once[p.Number] = true
		all = append(all, p)
	}
	return all
}

func (d *decoder) fail() { d.bad, d.rest = true, nil }

func (d *decoder) number() int32 {
	n := d.uvarint()
	if n > math.MaxInt32 {
		d.fail()
		return 0
	}
	return int32(n)
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}
