package protocols

import (
	"encoding/binary"

	"github.com/wobcompute/wobcompute/wob"
)

// Limits of frames, in bytes, compressed and not.
const (
	MaxLinkFrame   = 1 << 20  // on a long-lived link; larger ones go on a stream of their own
	MaxStreamFrame = 24 << 20 // on a stream of their own
)

// A frame is a length and a payload:
//
//	frame    = uvarint(len payload) payload
//	payload  = flags envelope rest            flags: one byte, the codec of the rest
//	envelope = section of JSON
//	rest     = sections, or compressed: uvarint(len sections) bytes
//	sections = data { WOB checkpoint }        JSON, and per WOB its JSON without and its raw checkpoint
//	section  = uvarint(len) bytes
//
// Nothing but the envelope is read to route it.
type frame struct {
	env   Envelope
	codec Codec
	rest  []byte
}

// Packed is an encoded frame.
type Packed struct {
	Bytes []byte // length and payload
	Plain int    // bytes of the payload before compression: what the receiver must hold
}

// OnLink reports whether the frame may travel on a long-lived link.
func (p Packed) OnLink() bool { return p.Plain <= MaxLinkFrame }

// parseFrame reads the envelope and leaves the rest.
func parseFrame(payload []byte) (frame, error) {
	if len(payload) == 0 {
		return frame{}, &DecodeError{Section: "frame", Err: ErrTruncated}
	}
	f := frame{codec: Codec(payload[0])}
	if f.codec > CodecZstd {
		return frame{}, &DecodeError{Section: "frame", Err: ErrCodec}
	}
	head, rest, err := section(payload[1:], maxEnvelope)
	if err == nil {
		f.rest = rest
		f.env, err = decodeEnvelope(head)
	}
	if err != nil {
		return frame{}, &DecodeError{Section: "envelope", Err: err}
	}
	return f, nil
}

// plainSize returns how many bytes the sections behind the envelope have when inflated.
func (f *frame) plainSize() (size int, packed []byte, err error) {
	if f.codec == CodecNone {
		return len(f.rest), f.rest, nil
	}
	n, used := binary.Uvarint(f.rest)
	switch {
	case used <= 0:
		return 0, nil, ErrTruncated
	case n > MaxStreamFrame:
		return 0, nil, ErrTooLarge
	}
	return int(n), f.rest[used:], nil
}

// sections inflates the rest, if it is within limit bytes, and cuts it.
func (f *frame) sections(limit, count int) ([][]byte, error) {
	size, plain, err := f.plainSize()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, ErrTooLarge
	}
	if f.codec != CodecNone {
		if plain, err = inflate(plain, size, f.codec); err != nil {
			return nil, err
		}
	}
	var all [][]byte
	for len(plain) > 0 {
		if len(all) == count {
			return nil, ErrTrailing
		}
		var s []byte
		if s, plain, err = section(plain, limit); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, ErrTruncated
	}
	return all, nil
}

// section cuts one section of at most limit bytes off b.
func section(b []byte, limit int) (s, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	switch {
	case used <= 0:
		return nil, nil, ErrTruncated
	case n > uint64(limit):
		return nil, nil, ErrTooLarge
	case n > uint64(len(b)-used):
		return nil, nil, ErrTruncated
	}
	return b[used : used+int(n)], b[used+int(n):], nil
}

func appendSection(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendWOB appends the two sections of a WOB: its JSON without, and its raw checkpoint.
func appendWOB(b []byte, w *wob.WOB) ([]byte, error) {
	if !w.Checkpoint.Valid() {
		return nil, ErrSyntax
	}
	lean := *w
	lean.Checkpoint = ""
	head, err := lean.Encode()
	if err != nil {
		return nil, err
	}
	checkpoint := w.Checkpoint
	if checkpoint.IsNull() {
		checkpoint = ""
	}
	if len(head)+len(checkpoint) > wob.MaxEncoded {
		return nil, wob.ErrTooLarge
	}
	b = appendSection(b, head)
	b = binary.AppendUvarint(b, uint64(len(checkpoint)))
	return append(b, checkpoint...), nil
}

// decodeWOB is the reverse of appendWOB.
func decodeWOB(head, checkpoint []byte) (*wob.WOB, error) {
	if len(head)+len(checkpoint) > wob.MaxEncoded {
		return nil, wob.ErrTooLarge
	}
	w, err := wob.Decode(head)
	if err != nil {
		return nil, err
	}
	if !w.Checkpoint.IsNull() {
		return nil, &FieldError{Field: "checkpoint", Err: ErrInconsistent}
	}
	if len(checkpoint) > 0 {
		w.Checkpoint = wob.Raw(checkpoint)
	}
	switch {
	case !w.Checkpoint.Valid():
		return nil, &FieldError{Field: "checkpoint", Err: ErrSyntax}
	case w.Checkpoint.IsNull():
		w.Checkpoint = ""
	}
	return w, nil
}
