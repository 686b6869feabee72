package protocols

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/wobcompute/wobcompute/wob"
)

// Encode validates body and returns its frame under the envelope e, whose Type and Data it fills
// in. The sections behind the envelope are compressed with c where that makes them shorter.
// Errors are *DecodeErrors.
func Encode(e Envelope, body Body, c Codec) (Packed, error) {
	kind := body.Kind()
	fail := func(section string, err error) (Packed, error) {
		return Packed{}, &DecodeError{Kind: kind, Section: section, Err: err}
	}
	d, ok := Lookup(kind)
	if !ok {
		return fail("envelope", ErrUnknownKind)
	}
	e.Type = kind
	head, err := encodeEnvelope(&e)
	if err != nil {
		return fail("envelope", err)
	}
	if err := body.Validate(); err != nil {
		return fail("data", err)
	}
	data, err := encodeData(body)
	switch {
	case err != nil:
		return fail("data", err)
	case len(data) > d.Rules.MaxBytes:
		return fail("data", ErrTooLarge)
	}
	plain := appendSection(nil, data)
	if carrier, ok := body.(Carrier); ok {
		ws := carrier.Carried()
		if len(ws) > d.Rules.WOBs {
			return fail("wob", ErrCarried)
		}
		for _, w := range ws {
			if plain, err = appendWOB(plain, w); err != nil {
				return fail("wob", err)
			}
		}
	}
	p := pack(head, plain, c)
	if p.Plain > MaxStreamFrame {
		return fail("frame", ErrTooLarge)
	}
	return p, nil
}

func encodeEnvelope(e *Envelope) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	head, err := json.Marshal(e)
	if err == nil && len(head) > maxEnvelope {
		err = ErrTooLarge
	}
	return head, err
}

func encodeData(body Body) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // the application's data stays as it is
	if err := enc.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func pack(head, plain []byte, c Codec) Packed {
	const room = binary.MaxVarintLen32 // for the length, which is known last
	b := make([]byte, room+1, room+1+binary.MaxVarintLen32+len(head)+len(plain))
	b = appendSection(b, head)
	size := len(b) - room + len(plain)
	packed, ok := b, false
	if c != CodecNone && len(plain) > compressAbove {
		packed, ok = deflate(b, plain, c)
	}
	if !ok {
		c = CodecNone
		packed = append(b, plain...)
	}
	packed[room] = byte(c)
	var length [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(length[:], uint64(len(packed)-room))
	copy(packed[room-n:], length[:n])
	return Packed{Bytes: packed[room-n:], Plain: size}
}

// ReadEnvelope reads the envelope of a frame's payload and touches nothing else of it.
func ReadEnvelope(payload []byte) (Envelope, error) {
	f, err := parseFrame(payload)
	return f.env, err
}

// PlainSize returns how many bytes Decode will hold for the payload when it is inflated, or an
// error if that is more than its kind may have. An unknown kind is not inflated.
func PlainSize(payload []byte) (int, error) {
	f, err := parseFrame(payload)
	if err != nil {
		return 0, err
	}
	d, ok := Lookup(f.env.Type)
	if !ok {
		return 0, nil
	}
	size, _, err := f.plainSize()
	if err == nil && size > d.maxPlain() {
		err = ErrTooLarge
	}
	if err != nil {
		return 0, &DecodeError{Kind: f.env.Type, Section: "frame", Err: err}
	}
	return size, nil
}

// Decode reads a frame's payload: the bytes after the length. Inflated, it may have limit bytes, and
// no more than its kind allows. Errors are *DecodeErrors; the envelope is returned whenever it could
// be read, with ErrUnknownKind too. The body does not refer to payload;
// the envelope's Data does.
func Decode(payload []byte, limit int) (Envelope, Body, error) {
	f, err := parseFrame(payload)
	if err != nil {
		return Envelope{}, nil, err
	}
	fail := func(section string, err error) (Envelope, Body, error) {
		return f.env, nil, &DecodeError{Kind: f.env.Type, Section: section, Err: err}
	}
	d, ok := Lookup(f.env.Type)
	if !ok {
		return fail("envelope", ErrUnknownKind)
	}
	parts, err := f.sections(min(limit, d.maxPlain()), 1+2*d.Rules.WOBs)
	if err != nil {
		return fail("frame", err)
	}
	data, parts := parts[0], parts[1:]
	if len(data) > d.Rules.MaxBytes {
		return fail("data", ErrTooLarge)
	}
	body, err := d.decode(data)
	if err != nil {
		return fail("data", err)
	}
	if body, err = attach(body, parts); err != nil {
		return fail("wob", err)
	}
	if err := body.Validate(); err != nil {
		return fail("data", err)
	}
	f.env.Data = data
	return f.env, body, nil
}

// maxPlain bounds the sections of a frame of this kind: the data, the WOBs and their lengths.
func (d *Definition) maxPlain() int {
	return d.Rules.MaxBytes + d.Rules.WOBs*wob.MaxEncoded + (1+2*d.Rules.WOBs)*binary.MaxVarintLen32
}

func (d *Definition) decode(data []byte) (Body, error) {
	if err := strict(data, d.shape); err != nil {
		return nil, err
	}
	body, err := d.parse(data)
	if err != nil {
		return nil, syntax(err)
	}
	return body, nil
}

// attach gives body the WOBs that came beside it.
func attach(body Body, parts [][]byte) (Body, error) {
	if len(parts)%2 != 0 {
		return nil, ErrTruncated
	}
	carrier, ok := body.(Carrier)
	if !ok {
		return body, nil // Define has seen to it that parts is empty
	}
	var ws []*wob.WOB
	for i := 0; i < len(parts); i += 2 {
		w, err := decodeWOB(parts[i], parts[i+1])
		if err != nil {
			return nil, err
		}
		ws = append(ws, w)
	}
	return carrier.WithCarried(ws)
}

// syntax turns an error of encoding/json into one of this package's, keeping its words.
func syntax(err error) error { return fmt.Errorf("%w: %w", ErrSyntax, err) }
