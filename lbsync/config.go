package lbsync

import (
	"bytes"
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
	// Listen is HOST:PORT for /metrics, /livez and /readyz; empty is off. This package only checks it.
	Listen string `yaml:"listen"`
	// Services are the pools by name. Names are written into the balancers' files, so they are lower-case letters,
	// digits, '_' and '-', and begin with a letter.
	Services map[string]Service `yaml:"services"`
	// HAProxy and Nginx are the files to keep. At least one in all.
	HAProxy []HAProxy `yaml:"haproxy"`
	Nginx   []Nginx   `yaml:"nginx"`
}

// Service is where a pool comes from.
type Service struct {
	// Prefix is the directory of the registry that holds the service's entries.
	Prefix string `yaml:"prefix"`
	// Port is for values that have none; 0 rejects those.
	Port uint16 `yaml:"port"`
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
	// Check examines the candidate, whose path replaces {file}; it must exit with 0.
	Check Command `yaml:"check"`
	// Reload makes HAProxy read Config again; it must exit with 0.
	Reload Command `yaml:"reload"`
}

// Nginx is one file of upstream blocks, for inclusion inside nginx's http block, which lbsync owns as a whole.
type Nginx struct {
	// Config is the path of the file.
	Config string `yaml:"config"`
	// Services are names of Config.Services; each becomes an upstream of that name.
	Services []string `yaml:"services"`
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

// LoadConfig reads and checks a file. Unknown and repeated keys, wrong types and values that cannot work are errors; all
// faults of meaning are reported together, each as a *[ConfigError].
func LoadConfig(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lbsync configuration: %w", err)
	}
	return ParseConfig(path, text)
}

// ParseConfig is LoadConfig for text in memory; name stands for the file in errors.
func ParseConfig(name string, text []byte) (*Config, error) {
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
