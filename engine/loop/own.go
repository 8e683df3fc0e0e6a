package loop

import (
	"errors"
	"io"

	"stentor/engine/tls13"
)

// unsealOwn is unseal with records of ours. They are opened where they are.
func (l *Loop) unsealOwn(t *secure, whole []byte) (plain []byte, err error) {
	plain, n, err := l.layer.Open(&t.records, whole)
	switch {
	case err == nil && n < len(whole):
		err = errHalf // whole gives none but what Open refuses
	case errors.Is(err, tls13.ErrCloseNotify):
		err = io.EOF
	}
	return plain, err
}

var errHalf = errors.New("a record is incomplete")

// sealKeeps is how large a scratch may stay.
const sealKeeps = 256 << 10

// sealOwn seals p into the scratch of the loop, never in place: p is shared.
func (l *Loop) sealOwn(t *secure, p []byte) error {
	out, err := l.layer.Seal(l.sealed[:0], &t.records, p)
	return l.hand(t, out, err)
}

// alert seals an alert, after which nothing else can be sealed.
func (l *Loop) alert(t *secure, a tls13.Alert) {
	out, err := l.layer.Alert(l.sealed[:0], &t.records, a)
	_ = l.hand(t, out, err)
}

// hand gives to the kernel what was sealed, all of it.
func (l *Loop) hand(t *secure, out []byte, err error) error {
	if l.sealed = out[:0]; cap(out) > sealKeeps {
		l.sealed = nil
	}
	if err == nil && len(out) > 0 {
		_, err = write(t.Conn, out)
	}
	return err
}
