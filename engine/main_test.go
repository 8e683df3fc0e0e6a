package engine

import (
	"os"
	"testing"

	"stentor/engine/testkit/ledger"
	"stentor/engine/tls13"
)

func TestMain(m *testing.M) { os.Exit(ledger.Main(m, tls13.Observe)) }
