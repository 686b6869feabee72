package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/wobcompute/wobcompute/protocols"
)

// What a peer can do wrong with a frame that is in good form.
var (
	errNotSender = errors.New("the envelope names another sender than the stream's peer")
	errNotDest   = errors.New("addressed to another node")
	errProject   = errors.New("of another project")
	errPrefix    = errors.New("on a stream of another prefix")
	errNoHello   = errors.New("no NODE_HELLO before it")
	errLateHello = errors.New("NODE_HELLO in the middle of a stream")
	errNotAlone  = errors.New("more after a large frame")
	errTooMany   = errors.New("too many streams")
)

// violation is a breach of the protocol: it is reported, and the stream is reset.
type violation struct {
	kind protocols.Kind
	err  error
}

func (v *violation) Error() string { return v.err.Error() }
func (v *violation) Unwrap() error { return v.err }

// breach makes a violation of an error of decoding, naming its kind if that is one we know.
func breach(err error) *violation {
	v := &violation{err: err}
	var de *protocols.DecodeError
	if errors.As(err, &de) {
		if _, known := protocols.Lookup(de.Kind); known {
			v.kind = de.Kind
		}
	}
	return v
}

// handler is the one wrapper through which every inbound stream passes: who may talk to us at all is
// decided here, before anything is read.
func (m *Mux) handler(prefix protocols.Prefix) network.StreamHandler {
	return func(s network.Stream) {
		r, err := m.enter(s.Conn().RemotePeer())
		if err != nil {
			_ = s.Reset()
			return
		}
		defer m.leave(r)
		stop := context.AfterFunc(m.ctx, func() { _ = s.Reset() })
		defer stop()
		err = (&inbound{m: m, r: r, s: s, prefix: prefix, frames: newFrameReader(s, m.cfg.Limits.Progress)}).serve()
		if err == nil {
			_ = s.Close()
			return
		}
		_ = s.Reset()
		var v *violation
		if errors.As(err, &v) {
			m.report(Rejected{From: r.node, Kind: v.kind, Reason: v.Error()})
			return
		}
		m.cfg.Logger.Debug("Stream ended", "node", r.node, "prefix", prefix, "error", err)
	}
}

// enter counts an inbound stream in, or refuses it.
func (m *Mux) enter(id peer.ID) (*remote, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	r := m.remoteLocked(id)
	if r.serving == maxInbound {
		m.taskLocked(func() { m.report(Rejected{From: r.node, Reason: errTooMany.Error()}) })
		return nil, errTooMany
	}
	r.serving++
	m.tasks.Add(1)
	return r, nil
}

func (m *Mux) leave(r *remote) {
	m.mu.Lock()
	r.serving--
	m.forgetLocked(r)
	m.mu.Unlock()
	m.tasks.Done()
}

// inbound is one stream on which a peer sends.
type inbound struct {
	m      *Mux
	r      *remote
	s      network.Stream
	prefix protocols.Prefix
	frames *frameReader
}

// serve reads frames until the stream ends; nil means that it ended in good order.
func (in *inbound) serve() error {
	large, err := in.first()
	for err == nil && !large {
		err = in.one(in.m.cfg.Limits.Idle, protocols.MaxLinkFrame)
	}
	if err == nil {
		if _, _, err = in.frames.next(in.m.cfg.Limits.Progress, 0); err == nil || errors.Is(err, errOversize) {
			return &violation{err: errNotAlone}
		}
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// first reads the first frame: the handshake on a /node stream, a large frame that stands alone, or
// the first of many.
func (in *inbound) first() (large bool, err error) {
	limit := protocols.MaxStreamFrame
	if in.prefix != protocols.PrefixNode {
		if err := in.known(); err != nil {
			return false, err
		}
	} else if !in.isUp() {
		limit = maxHello
	}
	payload, release, err := in.next(in.m.cfg.Limits.HelloWait, limit)
	if err != nil {
		return false, err
	}
	defer release()
	if in.prefix == protocols.PrefixNode {
		env, err := protocols.ReadEnvelope(payload)
		switch {
		case err != nil:
			return false, breach(err)
		case env.Type == kindHello:
			return false, in.m.welcome(in.r, in.s, payload)
		}
		if err := in.known(); err != nil {
			return false, err
		}
	}
	plain, err := protocols.PlainSize(payload)
	if err != nil {
		return false, breach(err)
	}
	return max(plain, len(payload)) > protocols.MaxLinkFrame, in.dispatch(payload, limit)
}

func (in *inbound) isUp() bool {
	in.m.mu.Lock()
	defer in.m.mu.Unlock()
	return in.r.up
}

// known waits for the peer's Hello, which may be under way on another stream.
func (in *inbound) known() error {
	in.m.mu.Lock()
	ready := in.r.ready
	in.m.mu.Unlock()
	limit := time.NewTimer(in.m.cfg.Limits.HelloWait)
	defer limit.Stop()
	select {
	case <-ready:
		return nil
	case <-limit.C:
		return &violation{err: errNoHello}
	case <-in.m.ctx.Done():
		return ErrClosed
	}
}

// next reads a frame, and calls one that is too long a violation.
func (in *inbound) next(wait time.Duration, limit int) ([]byte, func(), error) {
	payload, release, err := in.frames.next(wait, limit)
	if errors.Is(err, errOversize) {
		err = &violation{err: err}
	}
	return payload, release, err
}

func (in *inbound) one(wait time.Duration, limit int) error {
	payload, release, err := in.next(wait, limit)
	if err != nil {
		return err
	}
	defer release()
	return in.dispatch(payload, limit)
}

// dispatch decodes a frame and hands it in.
func (in *inbound) dispatch(payload []byte, limit int) error {
	if len(payload) > 0 && payload[0] != byte(protocols.CodecNone) {
		release, err := in.reservePlain(payload, limit)
		if err != nil {
			return err
		}
		defer release()
	}
	env, body, err := protocols.Decode(payload, limit)
	if errors.Is(err, protocols.ErrUnknownKind) {
		in.m.stats.unknown.Add(1)
		return nil
	}
	if err != nil {
		return breach(err)
	}
	if err := in.check(&env); err != nil {
		return &violation{kind: env.Type, err: err}
	}
	in.m.stats.received[env.Type].add(len(payload))
	in.m.report(Received{Bytes: len(payload), Msg: protocols.Message{
		From: in.r.node, To: in.m.cfg.Self, Relayed: isCircuit(in.s.Conn()), Body: body,
	}})
	return nil
}

// reservePlain takes memory for what a compressed frame inflates to.
func (in *inbound) reservePlain(payload []byte, limit int) (release func(), err error) {
	size, err := protocols.PlainSize(payload)
	switch {
	case err != nil:
		return nil, breach(err)
	case size > limit:
		return nil, &violation{err: errOversize}
	}
	if err := in.s.Scope().ReserveMemory(size, network.ReservationPriorityMedium); err != nil {
		return nil, fmt.Errorf("no memory to inflate a frame: %w", err)
	}
	return func() { in.s.Scope().ReleaseMemory(size) }, nil
}

// check compares the envelope with the stream it came on.
func (in *inbound) check(env *protocols.Envelope) error {
	switch {
	case env.SenderID != in.r.node:
		return errNotSender
	case env.DestID != in.m.cfg.Self:
		return errNotDest
	case env.ApplicationID != in.m.cfg.Project:
		return errProject
	case env.Type.Prefix() != in.prefix:
		return errPrefix
	case env.Type == kindHello:
		return errLateHello
	}
	return nil
}
