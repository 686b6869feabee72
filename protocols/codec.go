package protocols

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Codec is the compression of a frame's sections after the envelope. Each frame is compressed by itself: a
// stream per link would save more on small messages, but costs a supervisor 0.5 to 1.2 MB a link.
type Codec uint8

// The codecs, as they stand in a frame's flags.
const (
	CodecNone Codec = iota
	CodecZlib       // the paper's, section 3.2
	CodecZstd
)

// compressAbove is how many bytes of sections make compression worth its time.
const compressAbove = 1 << 10

// Codecs lists the names of what this version reads, best first, for Hello.Codecs.
func Codecs() []string { return []string{"zstd", "zlib", "none"} }

// String returns the codec's name in Hello.Codecs.
func (c Codec) String() string {
	switch c {
	case CodecZlib:
		return "zlib"
	case CodecZstd:
		return "zstd"
	case CodecNone:
	}
	return "none"
}

// Agree picks the codec for what is sent to a peer: the best of those it reads that this version
// writes.
func Agree(theirs []string) Codec {
	for _, name := range theirs {
		switch name {
		case "zstd":
			return CodecZstd
		case "zlib":
			return CodecZlib
		case "none":
			return CodecNone
		}
	}
	return CodecNone
}

// Encoders and decoders hold hundreds of kilobytes; they are shared by all links. The channels are
// free lists: they never block.
var (
	zlibWriters = make(chan *zlib.Writer, 4)
	zlibReaders = make(chan io.ReadCloser, 4)
	zstdWriter  = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10)))
	zstdReader = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxStreamFrame), zstd.WithDecoderMaxWindow(32<<20),
		zstd.WithDecodeAllCapLimit(true)))
)

func must[T any](v T, err error) T {
	if err != nil { // wrong options: a mistake in this file
		panic(err)
	}
	return v
}

// deflate appends plain to dst: its length and its compressed form. ok is false when that is not
// shorter.
func deflate(dst, plain []byte, c Codec) (out []byte, ok bool) {
	out = binary.AppendUvarint(dst, uint64(len(plain)))
	switch c {
	case CodecZlib:
		out = zlibDeflate(out, plain)
	case CodecZstd:
		out = zstdWriter.EncodeAll(plain, out)
	default:
		return dst, false
	}
	return out, len(out)-len(dst) < len(plain)
}

func zlibDeflate(dst, plain []byte) []byte {
	buf := bytes.NewBuffer(dst)
	var w *zlib.Writer
	select {
	case w = <-zlibWriters:
		w.Reset(buf)
	default:
		w = must(zlib.NewWriterLevel(buf, zlib.BestSpeed))
	}
	_, _ = w.Write(plain) // a bytes.Buffer never fails
	_ = w.Close()
	w.Reset(io.Discard) // keeps no frame alive
	select {
	case zlibWriters <- w:
	default:
	}
	return buf.Bytes()
}

// inflate returns what was compressed, which must be exactly size bytes; the caller has checked
// that size is within the limits.
func inflate(packed []byte, size int, c Codec) ([]byte, error) {
	out := make([]byte, 0, size)
	var err error
	switch c {
	case CodecZlib:
		out, err = zlibInflate(out, packed)
	case CodecZstd:
		out, err = zstdReader.DecodeAll(packed, out)
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			err = ErrTooLarge
		}
	default:
		return nil, ErrCodec
	}
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrTrailing):
		return nil, err
	case err != nil:
		return nil, ErrCodec
	case len(out) != size:
		return nil, ErrTruncated
	}
	return out, nil
}

func zlibInflate(dst, packed []byte) ([]byte, error) {
	src := bytes.NewReader(packed)
	var r io.ReadCloser
	select {
	case r = <-zlibReaders:
		if err := r.(zlib.Resetter).Reset(src, nil); err != nil {
			return nil, err // the reader is dropped with its state
		}
	default:
		var err error
		if r, err = zlib.NewReader(src); err != nil {
			return nil, err
		}
	}
	n, err := io.ReadFull(r, dst[:cap(dst)])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	var more [1]byte
	switch m, err := r.Read(more[:]); {
	case m > 0:
		return nil, ErrTooLarge
	case !errors.Is(err, io.EOF): // also a wrong checksum
		return nil, ErrCodec
	case src.Len() > 0:
		return nil, ErrTrailing
	}
	select {
	case zlibReaders <- r:
	default:
	}
	return dst[:n], nil
}
