package config

// devText is the configuration of `stentor serve --dev`: everything works without a token, on this machine only.
const devText = `
node: {id: dev}
listen: {client: "127.0.0.1:8080", api: "127.0.0.1:8081"}
endpoints: [{path: /ws, origins: [loopback]}]
default_project: demo
limits: {connections: 10000}
admin_keys: [admin-key]
projects:
  demo:
    anonymous: true
    api_keys: [demo-key]
    patterns: true
    subscribe: ["/topic/demo/**", "/user/**"]
    send: {"/topic/demo/**": push}
`

// LoadDev returns the configuration of `stentor serve --dev` with the changes of the environment and the settings, as in
// Load. It refuses listeners that other machines could reach.
func LoadDev(environ, settings []string) (*Config, error) {
	cfg, err := load("--dev", "", []byte(devText), environ, settings)
	if err != nil {
		return nil, err
	}
	return cfg, cfg.Loopback()
}

// Dev returns the configuration of `stentor serve --dev` without changes.
func Dev() *Config {
	cfg, err := LoadDev(nil, nil)
	if err != nil {
		panic(err)
	}
	return cfg
}
