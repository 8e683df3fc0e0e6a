package bus

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestPositionText(t *testing.T) {
	for _, c := range []struct {
		p    Position
		text string
	}{
		{Position{}, "0-0-0"},
		{Position{Epoch: 35, Partition: 1, Offset: 2}, "z-1-2"},
		{Position{Epoch: 36, Offset: -1}, "10-0-x"},
		{Position{Epoch: 1793700000000, Partition: 12, Offset: 4711}, "mw0io1s0-12-4711"},
		{Position{Epoch: math.MaxUint64, Partition: math.MaxInt32, Offset: math.MaxInt64}, "3w5e11264sgsf-2147483647-9223372036854775807"},
	} {
		if got := c.p.String(); got != c.text {
			t.Errorf("%+v: %q, want %q", c.p, got, c.text)
		}
		if got := string(c.p.AppendTo([]byte("id:"))); got != "id:"+c.text {
			t.Errorf("%+v: %q", c.p, got)
		}
		if got, err := ParsePosition(c.text); got != c.p || err != nil {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}

func TestParsePositionRefuses(t *testing.T) {
	for _, s := range []string{
		"", "-", "--", "0", "0-0", "0-0-", "0--0", "-0-0", "0-0-0-0", " 0-0-0", "0-0-0 ", "0-0-0\n", "+0-0-0", "0-+1-0", "0-0-+1",
		"0-0--1", "0--1-0", "0-x-0", "x-x-x", "0-0-X", "0-0-xx", "0-0-1x", "0_1-0-0", "é-0-0", "0-0-1.0", "0-0x0-0", "0-0-0x1",
		"3w5e11264sgsg-0-0", "0-2147483648-0", "0-0-9223372036854775808", "0-0-" + strings.Repeat("9", 1000), "message-1", "0,0,0",
	} {
		if p, err := ParsePosition(s); err != ErrPosition || p != (Position{}) {
			t.Errorf("%q: %+v, %v", s, p, err)
		}
	}
}

func TestParsePositions(t *testing.T) {
	const each = "a-0-1,"
	for _, c := range []struct {
		text string
		want []string // nil: an error
	}{
		{"a-0-1", []string{"a-0-1"}},
		{"a-0-1,b-1-x,a-2-3", []string{"a-0-1", "b-1-x", "a-2-3"}},
		{"", nil},
		{",", nil},
		{"a-0-1,", nil},
		{",a-0-1", nil},
		{"a-0-1, a-1-1", nil},
		{"a-0-1,,a-1-1", nil},
		{"a-0-1;a-1-1", nil},
		{strings.Repeat(each, maxPositions-1) + "b-0-1", append(slices.Repeat([]string{"a-0-1"}, maxPositions-1), "b-0-1")},
		{strings.Repeat(each, maxPositions) + "b-0-1", nil},
		{strings.Repeat(",", 1<<20), nil},
	} {
		got, err := ParsePositions(c.text)
		var texts []string
		for _, p := range got {
			texts = append(texts, p.String())
		}
		if !slices.Equal(texts, c.want) || (c.want == nil) != (err == ErrPosition) {
			t.Errorf("%.40q: %q, %v", c.text, texts, err)
		}
	}
}

func TestPositionAllocates(t *testing.T) {
	p := Position{Epoch: 1793700000000, Partition: 3, Offset: 1 << 40}
	buf := make([]byte, 0, 64)
	text := p.String()
	if n := testing.AllocsPerRun(100, func() {
		buf = p.AppendTo(buf[:0])
		if _, err := ParsePosition(text); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParsePositions: what is read is written again and read as the same; nothing out of bounds gets through.
func FuzzParsePositions(f *testing.F) {
	for _, s := range []string{"0-0-0", "mw0io1s0-12-4711,z-1-x", "3w5e11264sgsf-2147483647-9223372036854775807", "-,-", "Z-0-00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := ParsePositions(s)
		if err != nil {
			if all != nil || err != ErrPosition {
				t.Fatalf("%v, %v", all, err)
			}
			return
		}
		texts := make([]string, len(all))
		for i, p := range all {
			if p.Partition < 0 || p.Offset < -1 {
				t.Fatalf("%+v", p)
			}
			texts[i] = p.String()
		}
		again, err := ParsePositions(strings.Join(texts, ","))
		if err != nil || !slices.Equal(again, all) || len(all) > maxPositions {
			t.Fatalf("%v, %v, %v", all, again, err)
		}
	})
}
