package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"rollcall/registry"
)

var (
	// ErrDamaged is what a backup is refused with that is not as it was written.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrTruncated is what a backup is refused with that ends too early.
	ErrTruncated = errors.New("the backup is not complete")
	// ErrNewer is what a backup is refused with that a newer program has written.
	ErrNewer = errors.New("the backup was made by a newer version of this program")
	// ErrNone is what is refused that is no backup at all.
	ErrNone = errors.New("this is no backup")
)

// Verify reads a backup to its end.
func Verify(r io.Reader) (Summary, error) {
	return Read(r, func(registry.Entry) error { return nil })
}

// Read calls visit for each entry of a backup, in the order of [registry.Snapshot.Entries], and
// fails with one of this package's errors, or that of visit. Only when it has not failed were
// the entries those of a whole and sound backup.
func Read(r io.Reader, visit func(registry.Entry) error) (Summary, error) {
	b := &reader{r: bufio.NewReader(r), sum: sha256.New(), visit: visit}
	if err := b.start(); err != nil {
		return Summary{}, err
	}
	for {
		switch done, err := b.step(); {
		case errors.Is(err, io.EOF):
			return Summary{}, fmt.Errorf("%w: it ends after %d bytes", ErrTruncated, b.summary.Bytes)
		case err != nil:
			return Summary{}, err
		case done:
			return b.summary, nil
		}
	}
}

// reader takes blocks apart.
type reader struct {
	r       *bufio.Reader
	sum     hash.Hash // of all before the present block
	block   bytes.Buffer
	summary Summary
	begun   bool // the header was there
	visit   func(registry.Entry) error

	last registry.Key   // of the latest entry
	dirs []registry.Key // the directories that lead to it, and itself if it is one
}

// start reads the line before the blocks.
func (b *reader) start() error {
	line, err := b.r.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	if errors.Is(err, io.EOF) && (strings.HasPrefix(magic, string(line)) || strings.HasPrefix(string(line), magic)) {
		return fmt.Errorf("%w: it ends after %d bytes", ErrTruncated, len(line))
	}
	digits, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), magic)
	version, wrong := strconv.ParseUint(digits, 10, 32)
	switch {
	case err != nil || !ok || wrong != nil || strconv.FormatUint(version, 10) != digits || version == 0:
		return fmt.Errorf("%w: it does not begin with %q and a number", ErrNone, magic)
	case version > Version:
		return fmt.Errorf("%w: it has format %d, this one knows up to format %d", ErrNewer, version, Version)
	}
	b.took(line)
	return nil
}

func (b *reader) took(p []byte) {
	b.sum.Write(p)
	b.summary.Bytes += int64(len(p))
}

// step reads a block; done when it was the last.
func (b *reader) step() (done bool, err error) {
	if err := b.next(); err != nil {
		return false, err
	}
	block := b.block.Bytes()
	f := &fields{b: block[5 : len(block)-4]}
	switch kind := block[4]; {
	case kind == headerBlock && !b.begun:
		b.summary.Header, b.begun = f.header(), true
		err = f.done()
	case kind == entriesBlock && b.begun:
		err = b.entries(f)
	case kind == finalBlock && b.begun:
		done, err = true, b.final(f)
	default:
		err = errMalformed
	}
	b.took(block)
	if errors.Is(err, errMalformed) {
		err = b.damage(err)
	}
	return done, err
}

// damage tells where a backup is damaged.
func (b *reader) damage(err error) error {
	return fmt.Errorf("%w: %w (entry %d, before byte %d)", ErrDamaged, err, b.summary.Entries+1, b.summary.Bytes)
}

var errChecksum = errors.New("a block is not as it was written")

// next reads a block with its length and its checksum.
func (b *reader) next() error {
	b.block.Reset()
	if _, err := io.CopyN(&b.block, b.r, 4); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(b.block.Bytes())
	if n == 0 || n > maxBlock {
		return b.damage(errChecksum)
	}
	if _, err := io.CopyN(&b.block, b.r, int64(n)+4); err != nil {
		return err
	}
	all := b.block.Bytes()
	at := len(all) - 4
	if crc32.Checksum(all[:at], castagnoli) != binary.LittleEndian.Uint32(all[at:]) {
		return b.damage(errChecksum)
	}
	return nil
}

// entries visits those of a block.
func (b *reader) entries(f *fields) error {
	for len(f.b) > 0 {
		e := f.entry()
		if f.bad || !b.fits(e) {
			return errMalformed
		}
		if err := b.visit(e); err != nil {
			return err
		}
		b.summary.count(e)
	}
	return nil
}

// fits tells whether an entry can come now: a key that comes after the one before, in a
// directory that is there, with indexes of the node.
func (b *reader) fits(e registry.Entry) bool {
	switch {
	case e.Check() != nil:
		return false
	case b.last != "" && !e.Key.IsAfter(b.last):
		return false
	case e.CreatedIndex > b.summary.Index || e.ModifiedIndex > b.summary.Index:
		return false
	}
	for len(b.dirs) > 0 && !e.Key.IsBelow(b.dirs[len(b.dirs)-1]) {
		b.dirs = b.dirs[:len(b.dirs)-1]
	}
	parent := registry.Root
	if len(b.dirs) > 0 {
		parent = b.dirs[len(b.dirs)-1]
	}
	if e.Key.Parent() != parent {
		return false
	}
	if e.Dir {
		b.dirs = append(b.dirs, e.Key)
	}
	b.last = e.Key
	return true
}

// final compares what was read with what the last block says, and looks that nothing follows.
func (b *reader) final(f *fields) error {
	b.sum.Sum(b.summary.SHA256[:0])
	if want := b.summary.final(nil); !bytes.Equal(f.take(uint64(len(f.b))), want) {
		return fmt.Errorf("%w: the counts or the sum at its end are of another", ErrDamaged)
	}
	switch _, err := b.r.ReadByte(); {
	case err == nil:
		return fmt.Errorf("%w: something follows its end", ErrDamaged)
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}
