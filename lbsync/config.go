package lbsync

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
)

// Config is the content of lbsync.yaml.
type Config struct {
	// Endpoints are the URLs of registry nodes, in order of preference. At least one.
	Endpoints []string `yaml:"endpoints"`
	// TLS holds the files for endpoints that are https.
	TLS TLSConfig `yaml:"tls"`
	// Name is this instance's name in what it reports, of letters, digits, '.', '_' and '-'; empty is the host's name.
	Name string `yaml:"name"`
	// Listen is HOST:PORT for /status, /metrics, /livez, /readyz and the feeds; empty is off. This package only checks it.
	Listen string `yaml:"listen"`
	// ListenTLS has clients of Listen use https. This package only checks it.
	ListenTLS ListenTLSConfig `yaml:"listen_tls"`
	// StateDir is the directory in which the last good pools and files are kept; empty keeps the pools beside each
	// balancer's file.
	StateDir string `yaml:"state_dir"`
	// Report is the directory of the registry under which the instance reports what is served, with a TTL; empty is
	// /_lbsync, "none" is off.
	Report string `yaml:"report"`
	// Timing holds the delays.
	Timing TimingConfig `yaml:"timing"`
	// Services are the pools by name. Names are written into the balancers' files, so they are lower-case letters,
	// digits, '_' and '-', and begin with a letter.
	Services map[string]Service `yaml:"services"`
	// HAProxy and Nginx are the files to keep. At least one in all.
	HAProxy []HAProxy `yaml:"haproxy"`
	Nginx   []Nginx   `yaml:"nginx"`
}

// TLSConfig are the paths of PEM files for https endpoints.
type TLSConfig struct {
	// CACert holds the certificates of the authorities to trust; empty trusts the system's.
	CACert string `yaml:"cacert"`
	// Cert and Key are what nodes get that ask for a certificate. Both are read again for each connection.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// ListenTLSConfig are the paths of PEM files for Listen. All are read again when they change.
type ListenTLSConfig struct {
	// Cert is the certificate with its chain, and Key is its key. Both empty is plain HTTP.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ClientCA holds authorities: clients need a certificate of one of them, but for probes and metrics. Empty asks for none.
	ClientCA string `yaml:"client_ca"`
}

// Service is where a pool comes from.
type Service struct {
	// Prefix is the directory of the registry that holds the service's entries.
	Prefix string `yaml:"prefix"`
	// Port is for values that have none; 0 rejects those.
	Port uint16 `yaml:"port"`
	// HostNames allows values that are host names. lbsync resolves them itself. Off by default.
	HostNames bool `yaml:"host_names"`

	// MaxLoss is the share of the pool whose leases may run out within LossWindow before lbsync holds what follows, "15%"
	// by default. At least one host may always go. "100%" switches the protection off.
	MaxLoss *Percent `yaml:"max_loss"`
	// LossWindow is 30 s by default.
	LossWindow Duration `yaml:"loss_window"`
	// MaxHold is how long a host is held at most, 10 minutes by default; 0 is for ever.
	MaxHold *Duration `yaml:"max_hold"`
	// Probe is how held hosts are looked at: "tcp", the default, or "none".
	Probe string `yaml:"probe"`
	// MinServers is how many hosts stay whatever expires; hosts removed on purpose go all the same. 0 by default.
	MinServers int `yaml:"min_servers"`
	// OnEmpty says what to do when no host would be left: "keep" the last ones, the default, use the "fallback"
	// servers, or really be "empty".
	OnEmpty OnEmpty `yaml:"on_empty"`
	// Fallback are values, as entries have them, for OnEmpty "fallback".
	Fallback []string `yaml:"fallback"`
	// BadGrace is how long the last good value of an entry stands in for one that is rejected, 60 s by default; 0 is not at all.
	BadGrace *Duration `yaml:"bad_grace"`
	// Damping keeps a host out for a while that came and went more than three times within a minute. On by default.
	Damping *bool `yaml:"damping"`
}

// TimingConfig are the delays of lbsync.yaml; what is not given has Timing's default.
type TimingConfig struct {
	// Quiet is how long nothing more must change before a burst counts as over.
	Quiet Duration `yaml:"quiet"`
	// MaxDelay bounds the wait for that.
	MaxDelay Duration `yaml:"max_delay"`
	// Relist is how often everything is listed although nothing seems to have changed.
	Relist Duration `yaml:"relist"`
	// Drift is how often the running balancers are compared with what they should be.
	Drift Duration `yaml:"drift"`
}

// PaceConfig bounds the reloads of one balancer.
type PaceConfig struct {
	// MinGap is the shortest time from the end of a reload to the beginning of the next. Default 1 s, for nginx 800 ms.
	MinGap *Duration `yaml:"min_gap"`
	// PerMinute is how many reloads there may be within a minute.
	PerMinute int `yaml:"per_minute"`
	// Jitter is the longest random delay before a reload, so that a fleet does not reload at the same moment.
	Jitter *Duration `yaml:"jitter"`
}

// HAProxy is one configuration file of HAProxy, which lbsync owns as a whole.
type HAProxy struct {
	// Config is the path of the file.
	Config string `yaml:"config"`
	// Bind is where the built-in template's frontend listens: ":80", "10.0.0.1:80", "[2001:db8::1]:80".
	Bind string `yaml:"bind"`
	// Template is the path of a template to use instead of the built-in one; empty is the built-in one.
	Template string `yaml:"template"`
	// Services are names of Config.Services. The first is the default of the built-in template's frontend.
	Services []string `yaml:"services"`
	// RuntimeSocket is the path of HAProxy's stats socket with level admin. With it, changes of servers need no reload.
	// The built-in template declares it.
	RuntimeSocket string `yaml:"runtime_socket"`
	// MasterSocket is the path of the master's socket (-S). When given, reloads go through it and Reload may be missing.
	MasterSocket string `yaml:"master_socket"`
	// Zone is the balancer's availability zone: servers of other zones become backups. Empty is none.
	Zone string `yaml:"zone"`
	// Pace bounds the reloads.
	Pace PaceConfig `yaml:"reloads"`
	// Check examines the candidate, whose path replaces {file}; it must exit with 0.
	Check Command `yaml:"check"`
	// Reload makes HAProxy read Config again; it must exit with 0.
	Reload Command `yaml:"reload"`
}

// Nginx is one file of upstream blocks, for inclusion inside nginx's http block, which lbsync owns as a whole.
type Nginx struct {
	// Config is the path of the file.
	Config string `yaml:"config"`
	// Template is the path of a template to use instead of the built-in one; empty is the built-in one.
	Template string `yaml:"template"`
	// Services are names of Config.Services; each becomes an upstream of that name.
	Services []string `yaml:"services"`
	// Verify is IP:PORT, on loopback best, where the file has nginx tell which generation it serves; empty is off, and
	// then only the process table tells whether a reload has happened.
	Verify string `yaml:"verify"`
	// Zone is the balancer's availability zone: servers of other zones become backups. Empty is none.
	Zone string `yaml:"zone"`
	// Pace bounds the reloads.
	Pace PaceConfig `yaml:"reloads"`
	// Check is the command that checks nginx's whole configuration, such as [nginx, -t]; or, with {file} in it, one
	// that checks the candidate alone.
	Check Command `yaml:"check"`
	// Reload makes nginx read its configuration again; it must exit with 0.
	Reload Command `yaml:"reload"`
}

// A ConfigError is one fault of lbsync.yaml and its place.
type ConfigError struct {
	File    string
	Line    int // From 1; 0 when the fault has no place.
	Column  int // From 1.
	Message string
}

func (e *ConfigError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// A ConfigOption changes what [ParseConfig] asks of a file.
type ConfigOption func(*Config)

// DefaultEndpoints are used when the file names none, which is an error otherwise.
func DefaultEndpoints(urls ...string) ConfigOption {
	return func(c *Config) {
		if len(c.Endpoints) == 0 {
			c.Endpoints = urls
		}
	}
}

// OverrideTLS has files that are not empty win over those of the file.
func OverrideTLS(files TLSConfig) ConfigOption {
	return func(c *Config) {
		c.TLS.CACert = cmp.Or(files.CACert, c.TLS.CACert)
		c.TLS.Cert = cmp.Or(files.Cert, c.TLS.Cert)
		c.TLS.Key = cmp.Or(files.Key, c.TLS.Key)
	}
}

// LoadConfig reads and checks a file. Unknown and repeated keys, wrong types and values that cannot work are errors; all
// faults of meaning are reported together, each as a *[ConfigError].
func LoadConfig(path string, options ...ConfigOption) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lbsync configuration: %w", err)
	}
	return ParseConfig(path, text, options...)
}

// ParseConfig is LoadConfig for text in memory; name stands for the file in errors.
func ParseConfig(name string, text []byte, options ...ConfigOption) (*Config, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	var c Config
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(name, err)
	}
	if err := dec.Decode(&Config{}); !errors.Is(err, io.EOF) {
		return nil, &ConfigError{File: name, Message: "more than one YAML document"}
	}
	v, err := newValidator(name, text)
	if err != nil {
		return nil, yamlError(name, err)
	}
	for _, option := range options {
		option(&c)
	}
	if err := v.config(&c); err != nil {
		return nil, err
	}
	return &c, nil
}

// yamlError gives the decoder's errors our form.
func yamlError(name string, err error) error {
	out := &ConfigError{File: name, Message: err.Error()}
	if e, ok := errors.AsType[yaml.Error](err); ok {
		out.Message = e.GetMessage()
		if tk := e.GetToken(); tk != nil && tk.Position != nil {
			out.Line, out.Column = tk.Position.Line, tk.Position.Column
		}
	}
	return out
}
