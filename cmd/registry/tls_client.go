package main

import (
	"github.com/spf13/pflag"

	"rollcall/registry/client"
)

// registerClientTLS adds the flags of all commands that ask nodes, with the names that etcdctl has for them; etcdctlNames
// knows its older ones.
func registerClientTLS(flags *pflag.FlagSet, files *client.TLSFiles) {
	flags.StringVar(&files.CACert, "cacert", "", "PEM file with the authorities to trust for https nodes (default the system's)")
	flags.StringVar(&files.Cert, "cert", "", "PEM file with the certificate to show nodes that ask for one")
	flags.StringVar(&files.Key, "key", "", "PEM file with the key of --cert")
}
