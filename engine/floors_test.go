package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/stomp"
)

// driven is a bus on which nothing comes but by the test.
type driven struct{ bus.Bus }

func (driven) SetProjects([]bus.Topic) {}

// keptNode starts a node that keeps floors in dir.
func keptNode(t *testing.T, dir string, change func(*Options)) (n testNode, stop func(), log *lines) {
	t.Helper()
	log = &lines{}
	n, stop = startNodeWith(t, func(b bus.Bus) bus.Bus { return driven{b} }, func(o *Options) {
		o.StateDir, o.Log = dir, slog.New(slog.NewTextHandler(log, nil))
		change(o)
	})
	return n, stop, log
}

func unchanged(*Options) {}

// read makes the node read a push.
func (n testNode) read(pos bus.Position, destination string) {
	n.Deliver(pos, &bus.Record{Project: "shop", Destination: destination, Body: []byte("x"), Time: time.Now()})
	n.Flush()
}

// kept runs a node which reads the pushes 0 to 9 of epoch 7, /topic/shop/0 to /topic/shop/9, and returns its directory.
func kept(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	n, stop, log := keptNode(t, dir, unchanged)
	n.Begin("shop", bus.Position{Epoch: 7})
	for i := range int64(10) {
		n.read(bus.Position{Epoch: 7, Offset: i}, fmt.Sprint("/topic/shop/", i))
	}
	n.Advance("shop", bus.Position{Epoch: 7, Offset: 11})
	stop()
	if log.all() != "" {
		t.Error(log.all())
	}
	return dir
}

// A subscription that was quiet goes on at a node that was restarted, if the bus goes on where the node had read.
func TestQuietSubscriptionsResumeAfterARestart(t *testing.T) {
	file := filepath.Join(kept(t), "shop.floors")
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Fatal(info, err)
	}
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		begin bus.Position
		spoil func(t *testing.T, file string)
		want  string
		log   string
	}{
		{name: "among what was read", begin: bus.Position{Epoch: 7, Offset: 5}, want: "true"},
		{name: "behind what was read", begin: bus.Position{Epoch: 7, Offset: 12}, want: "true"},
		{name: "further on", begin: bus.Position{Epoch: 7, Offset: 13}, want: "false", log: "does not continue"},
		{name: "another topic", begin: bus.Position{Epoch: 8, Offset: 5}, want: "false", log: "does not continue"},
		{name: "no file", begin: bus.Position{Epoch: 7, Offset: 5}, want: "false", spoil: func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "half a file", begin: bus.Position{Epoch: 7, Offset: 5}, want: "false", log: "checksum", spoil: func(t *testing.T, file string) {
			if err := os.Truncate(file, 60); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a file of something else", begin: bus.Position{Epoch: 7, Offset: 5}, want: "false", log: "not a state file", spoil: func(t *testing.T, file string) {
			if err := os.WriteFile(file, []byte("something else"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a huge file", begin: bus.Position{Epoch: 7, Offset: 5}, want: "false", log: "more than the 1048576", spoil: func(t *testing.T, file string) {
			if err := os.Truncate(file, 1<<40); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "no file but a directory", begin: bus.Position{Epoch: 7, Offset: 5}, want: "false", log: "not a state file", spoil: func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(file, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "shop.floors")
			if err := os.WriteFile(file, saved, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.spoil != nil {
				c.spoil(t, file)
			}
			n, stop, log := keptNode(t, dir, unchanged)
			n.Begin("shop", c.begin)
			n.Advance("shop", bus.Position{Epoch: c.begin.Epoch, Offset: 12})
			if err := n.Applied(t.Context()); err != nil {
				t.Fatal(err)
			}
			client := n.dial(t)
			client.connect(t)
			client.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/2", "receipt", "r", "last-message-id", bus.Position{Epoch: 7, Offset: 2}.String())
			client.until(t, "resumed:"+c.want)
			client.send(t, stomp.Subscribe, "id", "2", "destination", "/topic/shop/2", "receipt", "s", "last-message-id", bus.Position{Epoch: 7, Offset: 1}.String())
			client.until(t, "resumed:false") // it has missed one
			_ = client.conn.Close()
			stop()
			if text := log.all(); (text != "") != (c.log != "") || !strings.Contains(text, c.log) || strings.Count(text, "\n") > 1 && c.spoil == nil {
				t.Errorf("the log: %s", text)
			}
		})
	}
}

// Each restart goes on from the one before.
func TestRestartsInARow(t *testing.T) {
	dir := kept(t)
	for run := range int64(4) {
		n, stop, _ := keptNode(t, dir, unchanged)
		begin := bus.Position{Epoch: 7, Offset: 12 + 10*run}
		if next := n.Covered("shop", bus.Position{Epoch: 7, Offset: begin.Offset + 3}, 100); next != begin.Offset {
			t.Errorf("run %d has read up to %d", run, next)
		}
		n.Begin("shop", begin)
		n.read(bus.Position{Epoch: 7, Offset: begin.Offset + 4}, fmt.Sprint("/topic/shop/run/", run))
		n.Advance("shop", bus.Position{Epoch: 7, Offset: begin.Offset + 9})
		if err := n.Applied(t.Context()); err != nil {
			t.Fatal(err)
		}
		client := n.dial(t)
		client.connect(t)
		client.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/2", "receipt", "r", "last-message-id", bus.Position{Epoch: 7, Offset: 2}.String())
		client.until(t, "resumed:true")
		_ = client.conn.Close()
		stop()
	}
}

// What is wrong with the directory, or who else has it, keeps nobody from his node.
func TestNodeWithoutItsDirectory(t *testing.T) {
	dir := t.TempDir()
	_, stop, _ := keptNode(t, dir, unchanged)
	defer stop()
	for path, want := range map[string]string{dir: "another process", filepath.Join(dir, "none"): "no such file"} {
		n, stop, log := keptNode(t, path, unchanged)
		n.Begin("shop", bus.Position{Epoch: 7})
		_ = n.subscriber(t).conn.Close()
		stop()
		if text := log.all(); !strings.Contains(text, want) || !strings.Contains(text, "node.state_dir") {
			t.Errorf("%s: the log: %s", path, text)
		}
	}
}

// What is known is written while the node runs, and the file of a project that is gone goes too.
func TestFilesFollowTheProjects(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"gone.floors", "gone.floors.tmp", "notes.txt", "a%2Fb.floors", "%zz.floors"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, stop, _ := keptNode(t, dir, func(o *Options) { o.History.Window = time.Second })
	n.Begin("shop", bus.Position{Epoch: 7})
	n.read(bus.Position{Epoch: 7}, "/topic/shop/a")
	until := func(want ...string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			var names []string
			list, err := os.ReadDir(dir)
			for _, entry := range list {
				names = append(names, entry.Name())
			}
			if got := strings.Join(names, " "); err == nil && got == strings.Join(want, " ") {
				return
			} else if time.Now().After(end) {
				t.Fatalf("%v, there is %s", err, got)
			}
		}
	}
	until("%zz.floors", "notes.txt", "shop.floors")
	conf := n.opts.Projects[0]
	conf.Name = "other"
	n.SetProjects([]Project{conf})
	until("%zz.floors", "notes.txt")
	stop()
}

// A disk that hangs does not keep a node from ending.
func TestHangingDisk(t *testing.T) {
	f := openFloors("", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.wait(ctx)
}
