package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Sizes of gossip. The default queues of 32 lose most of a burst, without a word.
const (
	gossipQueue  = 4096
	gossipBuffer = 8192
	maxGossip    = 72 << 10 // bytes: the largest CL_INDEX, its envelope and signature
)

// ErrBusy says that more is published than leaves; gossip is lost then, as it may be anywhere.
var ErrBusy = errors.New("stream: too much to gossip")

// GossipConfig tells a Gossip whom it speaks for. Host, Project and Handle are required.
type GossipConfig struct {
	Host    host.Host
	Project string
	Handle  func(Incoming) // as in Config: Received and Rejected
	Logger  *slog.Logger   // nil for none
}

// Gossip spreads index updates among the supervisors of a cluster. They are fully meshed, so that each publish goes
// straight to all others, once: no mesh, flood publishing. Nothing may depend on its arrival
// (paper, section 3.4.3, departs here: gaps are repaired over CL_ streams).
type Gossip struct {
	cfg    GossipConfig
	self   wob.NodeID
	ps     *pubsub.PubSub
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	out    chan outgoing

	mu     sync.Mutex // guards closed and topics
	closed bool
	topics map[protocols.ClusterID]*joined
}

type joined struct {
	topic  *pubsub.Topic
	sub    *pubsub.Subscription
	cancel context.CancelFunc
	done   chan struct{}
}

type outgoing struct {
	topic *pubsub.Topic
	body  protocols.Body
}

// Topic returns the name of a cluster's index topic.
func Topic(project string, cluster protocols.ClusterID) string {
	return "/wob/" + project + "/" + string(cluster) + "/index"
}

// NewGossip starts pubsub on a host, which must not have it yet. It ends with Close, which must come before
// the host's, or with ctx.
func NewGossip(ctx context.Context, cfg GossipConfig) (*Gossip, error) {
	if cfg.Host == nil || cfg.Project == "" || cfg.Handle == nil {
		return nil, errors.New("stream: GossipConfig needs Host, Project and Handle")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	params := pubsub.DefaultGossipSubParams()
	params.D, params.Dlo, params.Dhi, params.Dout, params.Dscore = 0, 0, 0, 0, 0
	g := &Gossip{
		cfg: cfg, self: wob.NodeID(cfg.Host.ID().String()), out: make(chan outgoing, gossipQueue),
		topics: map[protocols.ClusterID]*joined{},
	}
	g.ctx, g.cancel = context.WithCancel(ctx)
	ps, err := pubsub.NewGossipSub(g.ctx, cfg.Host,
		pubsub.WithGossipSubParams(params), pubsub.WithFloodPublish(true),
		pubsub.WithPeerOutboundQueueSize(gossipQueue), pubsub.WithValidateQueueSize(gossipQueue),
		pubsub.WithMaxMessageSize(maxGossip), pubsub.WithMessageSignaturePolicy(pubsub.StrictSign),
		pubsub.WithLogger(cfg.Logger))
	if err != nil {
		g.cancel()
		return nil, fmt.Errorf("starting gossip: %w", err)
	}
	g.ps = ps
	g.tasks.Go(g.publish)
	return g, nil
}

// Join subscribes to a cluster's index; joining again changes nothing.
func (g *Gossip) Join(cluster protocols.ClusterID) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	if g.topics[cluster] != nil {
		return nil
	}
	name := Topic(g.cfg.Project, cluster)
	if err := g.ps.RegisterTopicValidator(name, g.validate, pubsub.WithValidatorInline(true)); err != nil {
		return fmt.Errorf("joining %s: %w", name, err)
	}
	topic, err := g.ps.Join(name)
	if err != nil {
		return errors.Join(fmt.Errorf("joining %s: %w", name, err), g.ps.UnregisterTopicValidator(name))
	}
	sub, err := topic.Subscribe(pubsub.WithBufferSize(gossipBuffer))
	if err != nil {
		return errors.Join(fmt.Errorf("joining %s: %w", name, err), topic.Close(), g.ps.UnregisterTopicValidator(name))
	}
	j := &joined{topic: topic, sub: sub, done: make(chan struct{})}
	var ctx context.Context
	ctx, j.cancel = context.WithCancel(g.ctx)
	g.topics[cluster] = j
	g.tasks.Go(func() { defer close(j.done); g.receive(ctx, sub) })
	return nil
}

// Leave unsubscribes from a cluster's index.
func (g *Gossip) Leave(cluster protocols.ClusterID) error {
	g.mu.Lock()
	j := g.topics[cluster]
	delete(g.topics, cluster)
	g.mu.Unlock()
	if j == nil {
		return nil
	}
	j.cancel()
	<-j.done
	j.sub.Cancel()
	return errors.Join(j.topic.Close(), g.ps.UnregisterTopicValidator(Topic(g.cfg.Project, cluster)))
}

// Publish spreads body among the supervisors of a cluster that was joined. It never blocks.
func (g *Gossip) Publish(cluster protocols.ClusterID, body protocols.Body) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	j := g.topics[cluster]
	if g.closed || j == nil {
		return ErrClosed
	}
	select {
	case g.out <- outgoing{j.topic, body}:
		return nil
	default:
		return ErrBusy
	}
}

// Close leaves all topics and ends all goroutines; the host stays open.
func (g *Gossip) Close() {
	g.mu.Lock()
	g.closed = true
	var clusters []protocols.ClusterID
	for id := range g.topics {
		clusters = append(clusters, id)
	}
	g.mu.Unlock()
	for _, id := range clusters {
		if err := g.Leave(id); err != nil {
			g.cfg.Logger.Debug("Leaving a topic failed", "cluster", id, "error", err)
		}
	}
	g.cancel()
	g.tasks.Wait()
}

// publish encodes and signs, which takes too long for the node's loop.
func (g *Gossip) publish() {
	for {
		select {
		case <-g.ctx.Done():
			return
		case o := <-g.out:
			p, err := protocols.Encode(protocols.Envelope{
				ApplicationID: g.cfg.Project, MessageID: uuid.NewString(), SenderID: g.self,
			}, o.body, protocols.CodecNone)
			if err == nil {
				_, payload := cutLength(p.Bytes) // pubsub frames it itself
				err = o.topic.Publish(g.ctx, payload)
			}
			if err != nil {
				g.cfg.Logger.Debug("Publishing failed", "kind", o.body.Kind(), "error", err)
			}
		}
	}
}

// cutLength splits a frame into its length and its payload.
func cutLength(frame []byte) (length uint64, payload []byte) {
	length, used := binary.Uvarint(frame)
	return length, frame[used:]
}

// accepted is what the validator has decoded, kept for the subscription.
type accepted struct{ body protocols.Body }

// validate decodes a message before it is passed on; pubsub has verified its signature.
func (g *Gossip) validate(_ context.Context, _ peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	env, body, err := protocols.Decode(msg.Data, maxGossip)
	from := wob.NodeID(msg.GetFrom().String())
	switch {
	case errors.Is(err, protocols.ErrUnknownKind):
		return pubsub.ValidationIgnore
	case err != nil:
	case env.SenderID != from:
		err = errNotSender
	case env.ApplicationID != g.cfg.Project:
		err = errProject
	case env.Type != protocols.Index{}.Kind():
		err = errPrefix
	default:
		msg.ValidatorData = accepted{body}
		return pubsub.ValidationAccept
	}
	if g.ctx.Err() == nil {
		g.cfg.Handle(Rejected{From: from, Reason: err.Error()})
	}
	return pubsub.ValidationReject
}

func (g *Gossip) receive(ctx context.Context, sub *pubsub.Subscription) {
	for {
		msg, err := sub.Next(ctx)
		if err != nil {
			return
		}
		from := wob.NodeID(msg.GetFrom().String())
		got, ok := msg.ValidatorData.(accepted)
		if !ok || from == g.self {
			continue
		}
		g.cfg.Handle(Received{Bytes: len(msg.Data), Msg: protocols.Message{From: from, To: g.self, Body: got.body}})
	}
}
