// Package docs holds the documents that the program carries with it.
package docs

import _ "embed" // For the schema.

// LbsyncSchema is the JSON schema of lbsync.yaml, in draft 2020-12.
//
//go:embed lbsync.schema.json
var LbsyncSchema string
