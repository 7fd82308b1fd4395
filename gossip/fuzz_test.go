package gossip

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func FuzzMessage(f *testing.F) {
	f.Add(frame{framePush, 7, []byte("delta")}.encode())
	f.Add(frame{frameAsk, 7, withID(9, []byte("digest"))}.encode())
	f.Add(frame{frameEnd, 7, ending{9, 3, true}.encode()}.encode())
	f.Add([]byte{1, 4, 0, 0, 0, 0, 0, 0, 0, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeFrame(b)
		if err != nil {
			return
		}
		if !bytes.Equal(m.encode(), b) {
			t.Errorf("%x prints as %x", b, m.encode())
		}
		if m.hasID() {
			m.id()
		}
		if m.kind == frameEnd {
			m.ending()
		}
	})
}

func FuzzMeta(f *testing.F) {
	f.Add(meta{author: 7, tag: 3, leaving: true, urls: []string{"http://a:1", ""}}.encode(512))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			return
		}
		again, err := decodeMeta(m.encode(len(b)))
		if err != nil || again.author != m.author || again.tag != m.tag || !slices.Equal(again.urls, m.urls) {
			t.Errorf("%v prints as %v, %v", m, again, err)
		}
	})
}

func TestMetaFits(t *testing.T) {
	m := meta{author: 7, urls: []string{"first", strings.Repeat("x", 450), "third too many" + strings.Repeat("y", 60)}}
	got, err := decodeMeta(m.encode(512))
	if err != nil || len(got.urls) != 2 || got.urls[0] != "first" {
		t.Errorf("%v, %v", got.urls, err)
	}
}

func TestMalformedMessagesAreCounted(t *testing.T) {
	n := newNode(Config{Name: "a", State: newFake(1), Log: discard})
	for _, b := range [][]byte{nil, {1}, {2, 1, 0, 0, 0, 0, 0, 0, 0, 9}, {1, 99, 0, 0, 0, 0, 0, 0, 0, 9}, {1, 3, 0, 0, 0, 0, 0, 0, 0, 9}} {
		n.receive(b)
	}
	if got := n.counters.malformed.Load(); got != 5 {
		t.Errorf("%d counted", got)
	}
}
