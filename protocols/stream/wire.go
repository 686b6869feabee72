package stream

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// chunk is how many bytes must move within Limits.Progress.
const chunk = 64 << 10

var errOversize = errors.New("frame longer than allowed")

// pacedWriter gives every chunk its own deadline: a slow peer is fine, a stuck one is not.
type pacedWriter struct {
	s        network.Stream
	progress time.Duration
}

func (w pacedWriter) Write(b []byte) (int, error) {
	total := 0
	for {
		n := min(len(b), chunk)
		if err := w.s.SetWriteDeadline(time.Now().Add(w.progress)); err != nil {
			return total, err
		}
		n, err := w.s.Write(b[:n])
		total += n
		if err != nil {
			return total, err
		}
		if b = b[n:]; len(b) == 0 {
			return total, nil
		}
	}
}

// frameReader reads the frames of one inbound stream.
type frameReader struct {
	s        network.Stream
	r        *bufio.Reader
	progress time.Duration
}

func newFrameReader(s network.Stream, progress time.Duration) *frameReader {
	return &frameReader{s: s, r: bufio.NewReaderSize(s, 4<<10), progress: progress}
}

// next reads one frame's payload. Its length must begin within wait and be at most limit; memory for it
// is taken from the stream's scope and given back by release. io.EOF says that the stream ended
// between two frames.
func (f *frameReader) next(wait time.Duration, limit int) (payload []byte, release func(), err error) {
	if err := f.s.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, nil, err
	}
	if _, err := f.r.Peek(1); err != nil {
		return nil, nil, err
	}
	if err := f.s.SetReadDeadline(time.Now().Add(f.progress)); err != nil {
		return nil, nil, err
	}
	n, err := binary.ReadUvarint(f.r)
	switch {
	case err != nil:
		return nil, nil, noEOF(err)
	case n > uint64(limit): //nolint:gosec // positive
		return nil, nil, errOversize
	}
	size := int(n) //nolint:gosec // at most limit
	if err := f.s.Scope().ReserveMemory(size, network.ReservationPriorityMedium); err != nil {
		return nil, nil, fmt.Errorf("no memory for a frame: %w", err)
	}
	release = func() { f.s.Scope().ReleaseMemory(size) }
	if payload, err = f.read(size); err != nil {
		release()
		return nil, nil, noEOF(err)
	}
	return payload, release, nil
}

// read grows the buffer as the bytes arrive: a claim alone allocates no more than a chunk.
func (f *frameReader) read(size int) ([]byte, error) {
	var b []byte
	for len(b) < size {
		have := len(b)
		n := min(size-have, chunk)
		b = slices.Grow(b, n)[:have+n]
		if err := f.s.SetReadDeadline(time.Now().Add(f.progress)); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(f.r, b[have:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// noEOF marks an end within a frame as unexpected.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
