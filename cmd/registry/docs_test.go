package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// docBlock is a block between fences in a document.
type docBlock struct {
	where  string // file and line
	lang   string // what stands behind the opening fence
	before string // the paragraph before it
	text   string
}

// document is a document whose blocks a test takes one after the other.
type document struct {
	t      *testing.T
	path   string
	blocks []docBlock
}

// openDocument reads a document of this repository. When the test ends all its blocks must have been taken.
func openDocument(t *testing.T, path string) *document {
	t.Helper()
	d := &document{t: t, path: path}
	d.parse(readFile(t, filepath.Join("..", "..", path)))
	t.Cleanup(func() {
		if !t.Failed() && len(d.blocks) > 0 {
			t.Errorf("%s: no test takes this block:\n%s", d.blocks[0].where, d.blocks[0].text)
		}
	})
	return d
}

// parse picks the blocks out of a text. Code that is only indented would go unnoticed, so there may be none.
func (d *document) parse(text string) {
	d.t.Helper()
	var open *docBlock
	var paragraph []string
	for i, line := range strings.Split(text, "\n") {
		where := d.path + ":" + strconv.Itoa(i+1)
		lang, fence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && fence:
			d.blocks = append(d.blocks, *open)
			open, paragraph = nil, nil
		case open != nil:
			open.text += line + "\n"
		case fence:
			open = &docBlock{where: where, lang: lang, before: strings.Join(paragraph, " ")}
		case strings.HasPrefix(line, "    ") && len(paragraph) == 0:
			d.t.Errorf("%s: code without fences: %s", where, line)
		case line != "":
			paragraph = append(paragraph, line)
		case i > 0 && len(paragraph) > 0:
			// A block follows its paragraph after an empty line.
			if next := strings.Split(text, "\n")[i+1:]; len(next) == 0 || !strings.HasPrefix(next[0], "```") {
				paragraph = nil
			}
		}
	}
	if open != nil {
		d.t.Errorf("%s: the block has no end", open.where)
	}
}

// take returns the next block, which must begin with some words.
func (d *document) take(lang, words string) docBlock {
	d.t.Helper()
	if len(d.blocks) == 0 {
		d.t.Fatalf("%s: there is no block %q any more", d.path, words)
	}
	b := d.blocks[0]
	if b.lang != lang || !strings.HasPrefix(b.text, words) {
		d.t.Fatalf("%s: the test does not know this block of %q, it has %q here:\n%s", b.where, b.lang, words, b.text)
	}
	d.blocks = d.blocks[1:]
	return b
}

// sh returns the next block, which must be of commands and begin with some words.
func (d *document) sh(words string) docBlock {
	d.t.Helper()
	return d.take("sh", words)
}
