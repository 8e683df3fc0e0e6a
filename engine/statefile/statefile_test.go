package statefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc64"
	"math"
	"reflect"
	"strings"
	"testing"
)

// sample is a file with all that there can be.
func sample() []byte {
	var b bytes.Buffer
	w := NewWriter(&b, 1<<60)
	w.Chain(0, "/topic/a")
	w.Push(10, 3)
	w.Push(12, 5)
	w.Push(30, 9)
	w.Floor(4, 1)
	w.Chain(7, "/topic/a")
	w.Floor(0, 2)
	w.Chain(0, "\x00ann\x00/queue/x")
	w.Push(11, 4)
	w.Floor(-1, 0)
	w.Chain(0, "/topic/b")
	w.Floor(9, 7)
	_ = w.End([]Partition{{Number: 0, Begin: 2, Next: 40, Former: -1, Home: 1, Strays: -1, Users: 3}, {Number: 7, Next: math.MaxInt64 - 1, Former: 8, Home: -1, Strays: -1, Users: -1}})
	return b.Bytes()
}

type floor struct {
	Key       string
	Partition int32
	Offset    int64
}

func floorsOf(s *State, begins map[int32]int64) (all []floor) {
	for _, f := range s.Floors(begins) {
		all = append(all, floor{string(f.Key), f.Partition, f.Offset})
	}
	return all
}

func TestFloors(t *testing.T) {
	s, err := Decode(sample())
	if err != nil {
		t.Fatal(err)
	}
	if want := []Partition{{0, 2, 40, -1, 1, -1, 3}, {7, 0, math.MaxInt64 - 1, 8, -1, -1, -1}}; s.Epoch != 1<<60 || !reflect.DeepEqual(s.Partitions, want) {
		t.Errorf("epoch %d, %+v", s.Epoch, s.Partitions)
	}
	const user = "\x00ann\x00/queue/x"
	for _, c := range []struct {
		name   string
		begins map[int32]int64
		want   []floor
	}{
		{"behind all", map[int32]int64{0: 40, 7: 1}, []floor{{"/topic/a", 7, 0}, {user, 0, 11}, {"/topic/b", 0, 11}, {"/topic/a", 0, 30}}},
		{"one partition", map[int32]int64{7: 1}, []floor{{"/topic/a", 7, 0}}},
		{"none", nil, nil},
		{"among the pushes", map[int32]int64{0: 12}, []floor{{"/topic/a", 0, 10}, {user, 0, 11}, {"/topic/b", 0, 11}}},
		{"at a push", map[int32]int64{0: 11}, []floor{{"/topic/a", 0, 10}, {"/topic/b", 0, 10}}},
		{"below a floor", map[int32]int64{0: 9}, []floor{{"/topic/a", 0, 4}, {"/topic/b", 0, 8}}},
		{"below all", map[int32]int64{0: 4}, []floor{{"/topic/a", 0, 3}, {"/topic/b", 0, 3}}},
		{"at nothing", map[int32]int64{0: 0, 7: 0}, nil},
	} {
		if got := floorsOf(s, c.begins); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestCovers(t *testing.T) {
	p := Partition{Begin: 5, Next: 7}
	for begin, want := range map[int64]bool{4: false, 5: true, 6: true, 7: true, 8: false} {
		if p.Covers(begin) != want {
			t.Errorf("%d: %t", begin, !want)
		}
	}
}

// sealed ends a file with its checksum.
func sealed(text string) []byte {
	b := []byte(text)
	return binary.BigEndian.AppendUint64(b, crc64.Checksum(b, table))
}

// Files that the checksum does not betray, since whoever wrote them was wrong.
func TestDecodeRefuses(t *testing.T) {
	const head = magic + "\x01\x05"
	partition := "\x00\x00\x04\x01\x01\x01\x01" // 0: [0, 2), -1 four times
	if _, err := Decode(sealed(head + "e\x01" + partition)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":                     "",
		"no magic":                    "stentor.flaws\n\x01\x05e\x00",
		"another version":             magic + "\x02\x05e\x00",
		"no end":                      head,
		"an unknown record":           head + "x",
		"more behind the end":         head + "e\x01" + partition + "x",
		"fewer partitions than said":  head + "e\x02" + partition,
		"very many partitions":        head + "e\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + partition,
		"a partition twice":           head + "e\x02" + partition + partition,
		"a next below begin":          head + "e\x01\x00\x04\x02\x01\x01\x01\x01",
		"an offset below -1":          head + "e\x01\x00\x00\x04\x03\x01\x01\x01",
		"a chain of no partition":     head + "c\x01\x01/\x00\x00e\x01" + partition,
		"a chain without a key":       head + "c\x00\x00\x00\x00e\x01" + partition,
		"a key that is not there":     head + "c\x00\x7f/",
		"a very long key":             head + "c\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f/\x00\x00e\x01" + partition,
		"a large partition":           head + "c\xff\xff\xff\xff\x0f\x01/\x00\x00e\x01" + partition,
		"a push that is far too high": head + "c\x00\x01/\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00\x00e\x01" + partition,
		"pushes that go round":        head + "c\x00\x01/\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x05\x01\x00\x00e\x01" + partition,
		"orders that go round":        head + "c\x00\x01/\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x02\x00\x00e\x01" + partition,
		"a floor that is too high":    head + "c\x00\x01/\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01e\x01" + partition,
		"a varint without an end":     head + "e\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
	} {
		if s, err := Decode(sealed(text)); err == nil || s != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if _, err := Decode([]byte("something else")); !errors.Is(err, ErrForeign) {
		t.Error(err)
	}
}

// Every truncated file, and every one with a changed bit, is refused.
func TestDecodeDamaged(t *testing.T) {
	whole := sample()
	for n := range whole {
		if _, err := Decode(whole[:n]); err == nil {
			t.Errorf("cut to %d bytes", n)
		}
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[n] ^= 1 << bit
			if _, err := Decode(b); err == nil {
				t.Errorf("bit %d of byte %d", bit, n)
			}
		}
	}
}

// Whatever records a file has: it is refused, or it can be asked anything.
func FuzzDecode(f *testing.F) {
	b := sample()
	f.Add(b[:len(b)-sumSize])
	f.Add([]byte(magic + "\x01\x05e\x00"))
	f.Add([]byte(magic + "\x01\x05c\x00\x01/\x01\x01\x00\x05\x01e\x01\x00\x00\x04\x01\x01\x01\x01"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = Decode(text)
		s, err := Decode(sealed(string(text)))
		if err != nil {
			return
		}
		for _, at := range []int64{0, 1, 10, math.MaxInt64} {
			begins, last := map[int32]int64{}, map[int32]int64{}
			for _, p := range s.Partitions {
				begins[p.Number] = at
			}
			floors := s.Floors(begins)
			if len(floors) > len(text)/5 {
				t.Fatalf("%d floors of %d bytes", len(floors), len(text))
			}
			for _, one := range floors {
				if one.Offset < last[one.Partition] || one.Offset >= at || len(one.Key) == 0 {
					t.Fatalf("%+v behind %d, begin %d", one, last[one.Partition], at)
				}
				last[one.Partition] = one.Offset
			}
		}
	})
}

func TestErrorsOfTheFile(t *testing.T) {
	w := NewWriter(failing{}, 1)
	w.Chain(0, strings.Repeat("a", 1000))
	w.Floor(1, 1)
	if first, again := w.Flush(), w.Flush(); first == nil || again == nil || w.End(nil) == nil {
		t.Error("an error was not told")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no room") }
