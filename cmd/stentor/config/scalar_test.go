package config

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "30": 30 * time.Second, "-1": -time.Second, "500ms": 500 * time.Millisecond, "1m30s": 90 * time.Second, "1.5h": 90 * time.Minute,
	} {
		if d, err := ParseDuration(text); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "x", "5 s", "10d", "1_", "99999999999999999999", "9999999999999"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q: %v", text, d)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 3 * time.Minute: "3m", 2 * time.Hour: "2h", time.Hour + time.Second: "1h0m1s", 10 * time.Minute: "10m", 90 * time.Minute: "1h30m", 10 * time.Second: "10s"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
		if back, err := ParseDuration(Duration(d).String()); err != nil || time.Duration(back) != d {
			t.Errorf("%v comes back as %v, %v", d, back, err)
		}
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]ByteSize{
		"0": 0, "8192": 8192, "65_536": 65536, "10B": 10, "64KiB": 64 << 10, "3 MiB": 3 << 20, "2GiB": 2 << 30,
	} {
		if b, err := ParseByteSize(text); err != nil || b != want {
			t.Errorf("%q: %v, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "KiB", "64kb", "64K", "1.5MiB", "9999999999GiB", "_1"} {
		if b, err := ParseByteSize(text); err == nil {
			t.Errorf("%q: %v", text, b)
		}
	}
	for b, want := range map[ByteSize]string{0: "0", 1000: "1000", 8192: "8KiB", 1 << 20: "1MiB", 1<<20 + 1: "1048577", 3 << 30: "3GiB"} {
		if got := b.String(); got != want {
			t.Errorf("%d: %s, want %s", int(b), got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, one := range []struct{ name, want string }{
		{"conections", "connections"}, {"connectoins", "connections"}, {"Limits", "limits"}, {"limt", "limits"}, {"zebra", ""}, {"", ""},
	} {
		if got := Nearest(one.name, []string{"connections", "limits", "listen"}); got != one.want {
			t.Errorf("%q: %q, want %q", one.name, got, one.want)
		}
	}
}
