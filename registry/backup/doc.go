// Package backup reads and writes backups: the entries of a [registry.Snapshot] as a stream
// that shows by itself whether it is whole and sound.
//
// [Write] makes one, [Read] takes one. Both keep no more than a block in memory. A reader sees
// entries before it knows how the stream ends: whoever does something with them that cannot be
// undone reads it twice, the first time with [Verify]. docs/backup.md has the format.
package backup
