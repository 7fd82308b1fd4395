package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// metaVersion is the first byte of a meta. Another one is refused.
const metaVersion = 1

// metaHead is the length of what every meta has: version, flags, tag, author.
const metaHead = 1 + 1 + 1 + 8

// metaLeaving is the flag of a node that is about to leave. memberlist does not tell
// whether a member left or died; this does.
const metaLeaving = 1

// meta is what a node tells the others about itself with its membership.
type meta struct {
	author  uint64
	tag     uint8
	leaving bool
	urls    []string
}

// encode returns the meta in at most limit bytes, without the last URLs if they do not
// fit.
func (m meta) encode(limit int) []byte {
	flags := byte(0)
	if m.leaving {
		flags |= metaLeaving
	}
	b := binary.BigEndian.AppendUint64([]byte{metaVersion, flags, m.tag}, m.author)
	for _, u := range m.urls {
		longer := append(binary.AppendUvarint(b, uint64(len(u))), u...)
		if len(longer) > limit {
			break
		}
		b = longer
	}
	return b
}

// decodeMeta is the reverse of encode.
func decodeMeta(b []byte) (meta, error) {
	if len(b) == 0 {
		return meta{}, errors.New("meta: empty")
	}
	if b[0] != metaVersion {
		return meta{}, fmt.Errorf("meta: version %d, not %d", b[0], metaVersion)
	}
	if len(b) < metaHead {
		return meta{}, errors.New("meta: too short")
	}
	m := meta{leaving: b[1]&metaLeaving != 0, tag: b[2], author: binary.BigEndian.Uint64(b[3:])}
	if m.author == 0 {
		return meta{}, errors.New("meta: no author")
	}
	for b = b[metaHead:]; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return meta{}, errors.New("meta: bad client URL")
		}
		m.urls = append(m.urls, string(b[n:n+int(size)]))
		b = b[n+int(size):]
	}
	return m, nil
}
