package gossip

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
)

// fake is a State that only grows: records by author, numbered from 1.
type fake struct {
	author uint64
	news   chan struct{}

	mu      sync.Mutex
	records map[uint64][][]byte
	boxes   map[uint64][][]byte
	mails   []string
	alive   []uint64
	digests int
	slow    func() // called by Apply, without the lock
}

func newFake(author uint64) *fake {
	return &fake{
		author: author, news: make(chan struct{}, 1),
		records: make(map[uint64][][]byte), boxes: make(map[uint64][][]byte),
	}
}

// publish adds a record of this node.
func (f *fake) publish(record string) {
	f.mu.Lock()
	f.records[f.author] = append(f.records[f.author], []byte(record))
	f.mu.Unlock()
	fill(f.news)
}

// post puts a message into the outbox.
func (f *fake) post(to uint64, message string) {
	f.mu.Lock()
	f.boxes[to] = append(f.boxes[to], []byte(message))
	f.mu.Unlock()
	fill(f.news)
}

// total is the number of records of all authors.
func (f *fake) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.records {
		n += len(r)
	}
	return n
}

func (f *fake) aliveNow() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alive
}

func (f *fake) mailed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.mails)
}

func (f *fake) Author() uint64        { return f.author }
func (f *fake) News() <-chan struct{} { return f.news }

func (f *fake) Digest() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.digests++
	have := make(map[uint64]int)
	for a, r := range f.records {
		have[a] = len(r)
	}
	return encodeHave(have)
}

func encodeHave(have map[uint64]int) []byte {
	b := []byte{1}
	for _, a := range slices.Sorted(maps.Keys(have)) {
		b = binary.AppendUvarint(binary.AppendUvarint(b, a), uint64(have[a]))
	}
	return b
}

var errFake = errors.New("fake: malformed")

func decodeHave(b []byte) (map[uint64]int, error) {
	if len(b) == 0 || b[0] != 1 {
		return nil, errFake
	}
	have := make(map[uint64]int)
	for b = b[1:]; len(b) > 0; {
		a, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errFake
		}
		top, m := binary.Uvarint(b[n:])
		if m <= 0 {
			return nil, errFake
		}
		have[a], b = int(top), b[n+m:]
	}
	return have, nil
}

func (f *fake) Delta(have []byte, limit int) (delta, then []byte, err error) {
	return f.delta(have, limit, func(uint64) bool { return true })
}

func (f *fake) OwnDelta(have []byte, limit int) (delta, then []byte, err error) {
	return f.delta(have, limit, func(a uint64) bool { return a == f.author })
}

func (f *fake) delta(have []byte, limit int, in func(uint64) bool) (delta, then []byte, err error) {
	tops, err := decodeHave(have)
	if err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range slices.Sorted(maps.Keys(f.records)) {
		for in(a) && tops[a] < len(f.records[a]) && len(delta) < limit {
			r := f.records[a][tops[a]]
			tops[a]++
			delta = binary.AppendUvarint(binary.AppendUvarint(delta, a), uint64(tops[a]))
			delta = append(binary.AppendUvarint(delta, uint64(len(r))), r...)
		}
	}
	return delta, encodeHave(tops), nil
}

func (f *fake) Lacks(have []byte) bool {
	tops, err := decodeHave(have)
	if err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for a, top := range tops {
		if top > len(f.records[a]) {
			return true
		}
	}
	return false
}

// HasGap is always true: what comes out of turn is dropped here.
func (f *fake) HasGap() bool { return true }

func (f *fake) Apply(_ uint64, delta []byte) (news, gap bool, err error) {
	f.mu.Lock()
	slow := f.slow
	f.mu.Unlock()
	if slow != nil {
		slow()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(delta) > 0 {
		var v [3]uint64
		for i := range v {
			n := 0
			if v[i], n = binary.Uvarint(delta); n <= 0 {
				return news, gap, errFake
			}
			delta = delta[n:]
		}
		if v[2] > uint64(len(delta)) {
			return news, gap, errFake
		}
		switch top := uint64(len(f.records[v[0]])); {
		case v[1] == top+1:
			f.records[v[0]] = append(f.records[v[0]], delta[:v[2]])
			news = true
		case v[1] > top+1:
			gap = true
		}
		delta = delta[v[2]:]
	}
	return news, gap, nil
}

func (f *fake) Alive(authors []uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alive = authors
}

func (f *fake) Outbox(to uint64, _ int) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.boxes[to]) == 0 {
		return nil
	}
	m := f.boxes[to][0]
	f.boxes[to] = f.boxes[to][1:]
	return m
}

func (f *fake) Mail(_ uint64, mail []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mails = append(f.mails, string(mail))
	return nil
}
