package gossip

import "log/slog"

// CheckKeyFile tells whether a file would do as [Config.KeyFile].
func CheckKeyFile(file string) error {
	_, err := openKeys(file, slog.New(slog.DiscardHandler))
	return err
}
