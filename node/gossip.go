package node

import "github.com/wobcompute/wobcompute/protocols"

// publish, subscribe and unsubscribe drive the index topic of the node's cluster. A
// failure is logged and nothing more: the digests in the beats repair what gossip loses.
func (p *Project) publish(c protocols.ClusterID, body protocols.Body) {
	if err := p.gossip.Publish(c, body); err != nil {
		p.logger.Debug("Not published", "kind", body.Kind(), "err", err)
	}
}

func (p *Project) subscribe(c protocols.ClusterID) {
	if err := p.gossip.Join(c); err != nil {
		p.logger.Warn("Topic not joined", "cluster", c, "err", err)
	}
}

func (p *Project) unsubscribe(c protocols.ClusterID) {
	if err := p.gossip.Leave(c); err != nil {
		p.logger.Debug("Topic not left", "cluster", c, "err", err)
	}
}
