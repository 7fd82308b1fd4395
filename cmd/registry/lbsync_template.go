package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"rollcall/lbsync"
)

// keptTemplates are copies of the templates that were last found good, in the state directory. When lbsync starts with one
// that cannot be used, its copy stands in: a balancer whose hosts nobody follows is worse than one with yesterday's
// template. nil keeps nothing.
type keptTemplates struct {
	dir string // empty keeps nothing
	log *slog.Logger
	// standIn lets copies stand in.
	standIn bool
	// stoodIn tells that one does.
	stoodIn bool
}

// target makes the target of a file by its template.
func (k *keptTemplates) target(config, template string, make func(template string) (lbsync.Target, error)) (lbsync.Target, error) {
	t, err := make(template)
	if k == nil || k.dir == "" || template == "" {
		return t, err
	}
	kept := k.path(config)
	if err == nil {
		if err := keepTemplate(template, kept); err != nil {
			k.log.Warn("template not kept", "template", template, "error", err)
		}
		return t, nil
	}
	if !k.standIn {
		return t, err
	}
	t, keptErr := make(kept)
	if keptErr != nil {
		return t, err
	}
	k.stoodIn = true
	k.log.Error("template refused, the last good one is used", "template", template, "error", err)
	return t, nil
}

func (k *keptTemplates) path(config string) string {
	if abs, err := filepath.Abs(config); err == nil {
		config = abs
	}
	sum := sha256.Sum256([]byte(config))
	return filepath.Join(k.dir, "templates", hex.EncodeToString(sum[:8]))
}

// keepTemplate copies a template as a whole or not at all.
func keepTemplate(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(to), ".new-")
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), to)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("copy: %w", err), os.Remove(temp.Name()))
	}
	return nil
}
