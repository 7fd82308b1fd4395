package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"rollcall/registry"
)

// Origin names the node that a backup is made of.
type Origin struct{ Node, Cluster string }

// Write writes a backup. Each call of w's Write gets one block.
func Write(w io.Writer, snap *registry.Snapshot, from Origin) error {
	b := &writer{w: w, sum: sha256.New()}
	b.start(fmt.Sprintf("%s%d\n", magic, Version))
	b.begin(headerBlock)
	b.block = Header{from.Node, from.Cluster, snap.Index, snap.Stamp, snap.Time}.append(b.block)
	b.end()
	b.begin(entriesBlock)
	for e := range snap.Entries() {
		if len(b.block) >= blockBytes {
			b.end()
			b.begin(entriesBlock)
		}
		b.block = appendEntry(b.block, e)
		if b.summary.count(e); b.err != nil {
			return b.err
		}
	}
	b.end()
	b.sum.Sum(b.summary.SHA256[:0])
	b.begin(finalBlock)
	b.block = b.summary.final(b.block)
	b.end()
	return b.err
}

// writer makes blocks. After an error it writes no more.
type writer struct {
	w       io.Writer
	sum     hash.Hash // of all that was written
	block   []byte    // the present one: its length, which end sets, its kind, its fields
	summary Summary
	err     error
}

// start writes the line before the blocks.
func (b *writer) start(line string) { b.write([]byte(line)) }

func (b *writer) begin(kind byte) { b.block = append(b.block[:0], 0, 0, 0, 0, kind) }

func (b *writer) end() {
	binary.LittleEndian.PutUint32(b.block, uint32(len(b.block)-4)) //nolint:gosec // far below
	b.write(binary.LittleEndian.AppendUint32(b.block, crc32.Checksum(b.block, castagnoli)))
}

func (b *writer) write(p []byte) {
	if b.err == nil {
		b.sum.Write(p)
		_, b.err = b.w.Write(p)
	}
}
