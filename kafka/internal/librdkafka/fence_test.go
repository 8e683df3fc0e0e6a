package librdkafka

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func TestCheckVersion(t *testing.T) {
	if err := CheckVersion(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		number int
		good   bool
	}{
		{0x020f00ff, true}, {0x020f01ff, true}, {0x021000ff, true},
		{0x020effff, false}, {0x020f0001, false}, {0x010f00ff, false}, {0x030000ff, false}, {0, false},
	} {
		err := checkVersion(c.number, "2.3.4")
		if (err == nil) != c.good {
			t.Errorf("%#x: %v", c.number, err)
		}
		if err != nil && !strings.Contains(err.Error(), "librdkafka 2.3.4 is linked, but 2.15.0 ") {
			t.Error(err)
		}
	}
}

// A consumer with another layout is refused, and its bytes are not used as a handle.
func TestFindHandle(t *testing.T) {
	type bare struct{ rk *int }
	for name, c := range map[string]any{
		"no struct":     new(int),
		"no handle":     &struct{ other int }{},
		"no rk":         &struct{ handle struct{ other int } }{},
		"rk is another": &struct{ handle bare }{bare{new(int)}},
		"rk no pointer": &struct{ handle struct{ rk uintptr } }{},
		"nil":           (*ck.Consumer)(nil),
		"closed":        &ck.Consumer{},
	} {
		if p, err := findHandle(reflect.ValueOf(c)); err == nil || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	consumer, err := ck.NewConsumer(&ck.ConfigMap{"group.id": "g", "client.id": "the-name"})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	p, err := handleOf(consumer)
	if err != nil || p == nil || p == unsafe.Pointer(consumer) {
		t.Errorf("%v, %v", p, err)
	}
}
