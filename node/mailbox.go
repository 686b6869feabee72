package node

import "sync"

// mailbox is the one way into a project's event loop. Posting never blocks: what posts
// is bounded elsewhere (a link's reader waits for room, calls are answered once).
type mailbox struct {
	mu     sync.Mutex // guards items and closed
	items  []any
	closed bool
	ready  chan struct{} // holds one token while items is not empty
	room   chan struct{} // a token for each network message that waits
}

func newMailbox(network int) *mailbox {
	return &mailbox{ready: make(chan struct{}, 1), room: make(chan struct{}, network)}
}

// post appends an input; after close it is dropped.
func (b *mailbox) post(in any) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.items = append(b.items, in)
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// fromNetwork marks an input whose sender waited for room; the loop gives the room back.
type fromNetwork struct{ in any }

// postNetwork waits until the loop has room for another network message, so that a
// flooding peer slows down its own link and nobody's memory grows.
func (b *mailbox) postNetwork(in any, done <-chan struct{}) {
	select {
	case b.room <- struct{}{}:
		b.post(fromNetwork{in})
	case <-done:
	}
}

// take returns all inputs posted since the last call.
func (b *mailbox) take(spare []any) []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = spare[:0]
	return items
}

func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.items = true, nil
}
