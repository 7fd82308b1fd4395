package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// frameVersion is the first byte of every message of ours.
const frameVersion = 1

// frameHead is the length of version, kind and author.
const frameHead = 1 + 1 + 8

// maxFrame bounds what is accepted. Deltas have about chunkSize; one record larger
// than that makes a larger delta.
const maxFrame = 16 << 20

// frameKind says what the body of a message is.
type frameKind uint8

// The kinds of messages. Their numbers are part of the protocol.
const (
	framePush    frameKind = 1 + iota // a delta that was not asked for
	frameRepair                       // ask id, delta: a part of an answer
	frameEnd                          // ask id, number of parts, ready: the end of an answer
	frameAsk                          // ask id, digest: asks for what is missing in it
	frameAskBack                      // as frameAsk, by one who was asked: is not asked back
	frameBusy                         // ask id: not answered now
	frameMail                         // what State.Outbox returned
	frameKinds
)

var frameNames = [frameKinds]string{"", "push", "repair", "end", "ask", "ask_back", "busy", "mail"}

// frame is one message.
type frame struct {
	kind   frameKind
	author uint64 // of the sender
	body   []byte
}

// encode returns the message as it is sent.
func (f frame) encode() []byte {
	b := make([]byte, 0, frameHead+len(f.body))
	b = append(b, frameVersion, byte(f.kind))
	b = binary.BigEndian.AppendUint64(b, f.author)
	return append(b, f.body...)
}

// decodeFrame parses a message. The body is part of b.
func decodeFrame(b []byte) (frame, error) {
	switch {
	case len(b) < frameHead:
		return frame{}, errors.New("message: too short")
	case len(b) > maxFrame:
		return frame{}, errors.New("message: too long")
	case b[0] != frameVersion:
		return frame{}, fmt.Errorf("message: version %d, not %d", b[0], frameVersion)
	}
	f := frame{kind: frameKind(b[1]), author: binary.BigEndian.Uint64(b[2:]), body: b[frameHead:]}
	if f.author == 0 {
		return frame{}, errors.New("message: no author")
	}
	if f.kind == 0 || f.kind >= frameKinds {
		return frame{}, fmt.Errorf("message: unknown kind %d", f.kind)
	}
	if f.hasID() && len(f.body) < 8 {
		return frame{}, errors.New("message: no ask id")
	}
	if f.kind == frameEnd && len(f.body) != endLen {
		return frame{}, errors.New("message: bad end")
	}
	return f, nil
}

// hasID reports whether the body begins with the id of an ask.
func (f frame) hasID() bool {
	return f.kind >= frameRepair && f.kind <= frameBusy
}

// id splits a body into the id of the ask and the rest.
func (f frame) id() (id uint64, rest []byte) {
	return binary.BigEndian.Uint64(f.body), f.body[8:]
}

// withID puts the id of an ask before what follows it.
func withID(id uint64, rest []byte) []byte {
	b := make([]byte, 0, 8+len(rest))
	return append(binary.BigEndian.AppendUint64(b, id), rest...)
}

// endLen is the length of the body of a frameEnd.
const endLen = 8 + 4 + 1

// ending is the end of an answer.
type ending struct {
	id    uint64
	parts uint32 // how many deltas the answer had
	ready bool   // whether the node that answered has finished its own first sync
}

func (e ending) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, endLen), e.id)
	b = binary.BigEndian.AppendUint32(b, e.parts)
	if e.ready {
		return append(b, 1)
	}
	return append(b, 0)
}

// ending parses the body of a frameEnd, whose length was checked.
func (f frame) ending() ending {
	return ending{
		id:    binary.BigEndian.Uint64(f.body),
		parts: binary.BigEndian.Uint32(f.body[8:]),
		ready: f.body[12] == 1,
	}
}
