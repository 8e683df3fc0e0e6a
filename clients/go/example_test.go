package client_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	client "stentor/clients/go"
	"stentor/engine/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// What a client publishes comes back to it, as it does to all other subscribers.
func Example() {
	url, stop := serve() // stentor serve --dev
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	chat := &client.Client{
		Options:      client.Options{URL: url, Project: "demo"},
		Destinations: []string{"/topic/demo/chat"},
		Message: func(m *client.Message) bool {
			fmt.Printf("%s: %s\n", m.Destination, m.Body)
			return false // it is enough
		},
	}
	published := make(chan error)
	go func() { published <- chat.Publish(ctx, "/topic/demo/chat", []byte("hello")) }()
	fmt.Println(chat.Run(ctx), <-published)
	// Output:
	// /topic/demo/chat: hello
	// <nil> <nil>
}

// serve starts a node, and returns where clients connect.
func serve() (url string, stop func()) {
	cmd := testkit.Command("serve", "--dev", "--set", "listen.client=127.0.0.1:0", "--set", "listen.api=127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if field := strings.Fields(lines.Text()); len(field) == 2 && field[0] == "clients" {
			url = field[1]
			break
		}
	}
	return url, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}
