package fake

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/goccy/go-yaml"
)

const project = "bench"

// Config is the part of a server's configuration that the fake one uses.
type Config struct {
	Listen struct {
		Client []string `yaml:"client"`
		API    string   `yaml:"api"`
	} `yaml:"listen"`
	Kafka struct {
		Brokers []string `yaml:"brokers"`
	} `yaml:"kafka"`
	Projects map[string]struct {
		Topic     string   `yaml:"topic"`
		Anonymous bool     `yaml:"anonymous"`
		APIKeys   []string `yaml:"api_keys"`
		Keys      []struct {
			KID    string `yaml:"kid"`
			Alg    string `yaml:"alg"`
			Secret string `yaml:"secret"`
		} `yaml:"keys"`
	} `yaml:"projects"`
}

// ReadConfig reads a configuration file's text.
func ReadConfig(b []byte) (c Config, err error) {
	return c, yaml.Unmarshal(b, &c)
}

// Serve runs a server with this configuration until SIGTERM.
func Serve(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c, err := ReadConfig(b)
	if err != nil {
		return err
	}
	s, err := Listen(c.Listen.Client[0])
	if err != nil {
		return err
	}
	defer s.Close()
	if len(c.Kafka.Brokers) > 0 {
		stop, err := s.read(c.Kafka.Brokers, c.Projects[project].Topic)
		if err != nil {
			return err
		}
		defer stop()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	h := http.Server{Addr: c.Listen.API, Handler: s.API(c.Projects[project].APIKeys[0])}
	go func() {
		<-ctx.Done()
		h.Close()
	}()
	if err := h.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}
