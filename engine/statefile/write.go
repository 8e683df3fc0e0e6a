package statefile

import (
	"encoding/binary"
	"hash"
	"hash/crc64"
	"io"
)

const (
	magic   = "stentor.floors\n"
	version = 1
	sumSize = 8
)

// Records.
const (
	chainRecord = 'c' // the partition, the key, pushes, 0, the floor
	endRecord   = 'e'
)

var table = crc64.MakeTable(crc64.ECMA)

// Writer writes a file. Nothing is written to the file before Flush or End, which also return earlier errors.
type Writer struct {
	to     io.Writer
	sum    hash.Hash64
	buf    []byte
	offset int64  // of the chain's last push
	order  uint64 // and its
	err    error
}

// NewWriter begins a file.
func NewWriter(to io.Writer, epoch uint64) *Writer {
	w := &Writer{to: to, sum: crc64.New(table), buf: make([]byte, 0, 16<<10)}
	w.buf = binary.AppendUvarint(append(w.buf, magic...), version)
	w.buf = binary.AppendUvarint(w.buf, epoch)
	return w
}

// Chain begins a chain. Its pushes follow, oldest first, then its floor.
func (w *Writer) Chain(partition int32, key string) {
	w.buf = append(w.buf, chainRecord)
	w.buf = binary.AppendUvarint(w.buf, uint64(uint32(partition)))
	w.buf = binary.AppendUvarint(w.buf, uint64(len(key)))
	w.buf = append(w.buf, key...)
	w.offset, w.order = -1, 0
}

// Push adds a push of the chain, above those before. order says which of two pushes or floors came first, across
// partitions.
func (w *Writer) Push(offset int64, order uint64) {
	w.buf = binary.AppendUvarint(w.buf, uint64(offset-w.offset))
	w.buf = binary.AppendUvarint(w.buf, order-w.order)
	w.offset, w.order = offset, order
}

// Floor ends the chain: offset is the newest push that was evicted, -1 for none.
func (w *Writer) Floor(offset int64, order uint64) {
	w.buf = append(w.buf, 0)
	w.buf = binary.AppendUvarint(w.buf, uint64(offset+1))
	if offset >= 0 {
		w.buf = binary.AppendUvarint(w.buf, order)
	}
}

// Flush writes what has been added so far.
func (w *Writer) Flush() error {
	_, _ = w.sum.Write(w.buf)
	if w.err == nil {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// End writes what is known of the partitions, and the checksum.
func (w *Writer) End(partitions []Partition) error {
	w.buf = binary.AppendUvarint(append(w.buf, endRecord), uint64(len(partitions)))
	for i := range partitions {
		w.buf = binary.AppendUvarint(w.buf, uint64(uint32(partitions[i].Number)))
		for _, offset := range partitions[i].offsets() {
			w.buf = binary.AppendVarint(w.buf, *offset)
		}
	}
	if w.Flush() == nil {
		_, w.err = w.to.Write(binary.BigEndian.AppendUint64(nil, w.sum.Sum64()))
	}
	return w.err
}
