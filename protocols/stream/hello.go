package stream

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/wobcompute/wobcompute/protocols"
)

// kindHello is the handshake's kind, the only one that machines never see.
var kindHello = protocols.Hello{}.Kind()

// maxHello bounds the frame of a Hello, and whatever else a stranger may send before it.
const maxHello = 32 << 10

// ownHello is what this node says about itself.
func (m *Mux) ownHello() protocols.Hello {
	h := m.cfg.Hello()
	h.Version, h.Project, h.Instance = Version, m.cfg.Project, m.instance
	if len(h.Codecs) == 0 {
		h.Codecs = protocols.Codecs()
	}
	return h
}

// Announce makes the handshake anew with every peer that is up, so that a changed Hello (a lower
// capacity, a new address) reaches them.
func (m *Mux) Announce() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.peers {
		if !r.up {
			continue
		}
		if r.attempt == nil {
			r.attempt = &attempt{done: make(chan struct{})}
		}
		l := r.linkLocked(protocols.PrefixNode)
		l.move = true
		l.startLocked()
	}
}

// greet opens the handshake on a fresh /node stream: our Hello, then the peer's on its way back.
func (m *Mux) greet(r *remote, s network.Stream) error {
	if err := m.sendHello(r, s); err != nil {
		return err
	}
	payload, release, err := newFrameReader(s, m.cfg.Limits.Progress).next(m.cfg.Limits.HelloWait, maxHello)
	if err != nil {
		return fmt.Errorf("no answer to NODE_HELLO: %w", noEOF(err))
	}
	defer release()
	return m.acceptHello(r, s.Conn(), payload)
}

// welcome answers a Hello that opened a /node stream.
func (m *Mux) welcome(r *remote, s network.Stream, payload []byte) error {
	hello, err := m.checkHello(r, payload)
	if err == nil {
		if err := m.sendHello(r, s); err != nil {
			return err
		}
		return m.established(r, s.Conn(), hello)
	}
	m.refuse(r, s.Conn(), err)
	return err
}

func (m *Mux) acceptHello(r *remote, conn network.Conn, payload []byte) error {
	hello, err := m.checkHello(r, payload)
	if err != nil {
		m.refuse(r, conn, err)
		return err
	}
	return m.established(r, conn, hello)
}

// refuse reports a Hello that is none of ours and ends the connection.
func (m *Mux) refuse(r *remote, conn network.Conn, err error) {
	m.report(Rejected{From: r.node, Kind: kindHello, Reason: err.Error()})
	if err := conn.Close(); err != nil {
		m.cfg.Logger.Debug("Closing a refused connection failed", "node", r.node, "error", err)
	}
}

func (m *Mux) sendHello(r *remote, s network.Stream) error {
	p, err := protocols.Encode(m.envelope(r, s.Conn()), m.ownHello(), protocols.CodecNone)
	if err != nil {
		return err
	}
	if _, err := (pacedWriter{s, m.cfg.Limits.Progress}).Write(p.Bytes); err != nil {
		return err
	}
	m.stats.sent[kindHello].add(len(p.Bytes))
	return nil
}

func (m *Mux) checkHello(r *remote, payload []byte) (protocols.Hello, error) {
	env, body, err := protocols.Decode(payload, maxHello)
	if err != nil {
		return protocols.Hello{}, err
	}
	hello, ok := body.(protocols.Hello)
	switch {
	case !ok:
		return protocols.Hello{}, fmt.Errorf("%s where NODE_HELLO is due", env.Type)
	case env.SenderID != r.node:
		return protocols.Hello{}, errNotSender
	case env.ApplicationID != m.cfg.Project || hello.Project != m.cfg.Project:
		return protocols.Hello{}, errProject
	case hello.Version != Version:
		return protocols.Hello{}, fmt.Errorf("protocol version %d, this node speaks %d", hello.Version, Version)
	}
	m.stats.received[kindHello].add(len(payload))
	return hello, nil
}

// envelope wraps what is sent to r over conn (paper, Table 1).
func (m *Mux) envelope(r *remote, conn network.Conn) protocols.Envelope {
	e := protocols.Envelope{
		ApplicationID: m.cfg.Project, MessageID: uuid.NewString(), SenderID: m.cfg.Self, DestID: r.node,
		Relayed: isCircuit(conn),
	}
	if a := conn.LocalMultiaddr(); a != nil {
		e.SenderAddress = bounded(a.String())
	}
	if a := conn.RemoteMultiaddr(); a != nil {
		e.DestAddress = bounded(a.String())
	}
	return e
}

// bounded leaves out an address that is longer than an envelope may hold.
func bounded(addr string) string {
	if len(addr) > 256 {
		return ""
	}
	return addr
}
