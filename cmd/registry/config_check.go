package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"rollcall/gossip"
	"rollcall/lbsync"
)

// check looks at what validate cannot see: the files that the settings name, and the addresses to bind. It binds nothing
// and changes nothing.
func (c *nodeConfig) check(log *slog.Logger) error {
	return errors.Join(
		checkHostPort("--listen", c.listen),
		checkHostPort("--debug-listen", c.debugListen),
		named("--data-dir", checkDirectory(c.dataDir)),
		named("--gossip-key-file", c.gossip.checkKeys()),
		named("--lbsync", c.checkLbsync(log)),
		c.tls.check(log),
	)
}

// check reads the files.
func (c *tlsConfig) check(log *slog.Logger) error {
	_, err := newTLSKeeper(*c, log)
	return err
}

// named puts the flag in front of an error.
func named(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// checkDirectory refuses what is no directory. A missing one is made at the start.
func checkDirectory(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	}
	return nil
}

func (c *gossipConfig) checkKeys() error {
	if c.keyFile == "" {
		return nil
	}
	return gossip.CheckKeyFile(c.keyFile)
}

// checkLbsync checks lbsync.yaml for the node, which is its default endpoint.
func (c *nodeConfig) checkLbsync(log *slog.Logger) error {
	if c.lbsync == "" {
		return nil
	}
	return checkLbsync(c.lbsync, log, lbsync.DefaultEndpoints(defaultEndpoint))
}

// checkLbsync reads lbsync.yaml, the templates and the files for TLS. No template of former times stands in.
func checkLbsync(path string, log *slog.Logger, options ...lbsync.ConfigOption) error {
	cfg, err := lbsync.LoadConfig(path, options...)
	if err != nil {
		return err
	}
	_, err = newSyncer(cfg, log, nil, nil)
	return err
}

// reportCheck says what came of a check.
func (app *cli) reportCheck(err error) error {
	if err != nil {
		return app.origins.locate(err)
	}
	_, err = fmt.Fprintln(app.stdout, "the configuration is good")
	return err
}
