package fake

import (
	"crypto/tls"

	"stentor/engine/testkit/certificate"
)

// ListenTLS is Listen for wss://, with a certificate of its own for 127.0.0.1, which it also returns in PEM form.
func ListenTLS(address string) (s *Server, ca []byte, err error) {
	pair, err := certificate.New()
	if err != nil {
		return nil, nil, err
	}
	shown, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return nil, nil, err
	}
	l, err := tls.Listen("tcp4", address, &tls.Config{Certificates: []tls.Certificate{shown}})
	if err != nil {
		return nil, nil, err
	}
	return serveAt(l), pair.Certificate, nil
}
