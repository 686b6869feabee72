package protocols

// Hello is the handshake: each side sends it once per connection, before any other frame. It
// agrees the compression of the link and advertises capacity and reachability (paper, sections
// 3.1.3 and 3.2).
type Hello struct {
	Version   int      `json:"version"`        // of the protocols, 1
	Agent     string   `json:"agent"`          // software and version, for people
	Project   string   `json:"project"`        // project ID; another one ends the connection
	Capacity  int      `json:"capacity"`       // lasting connections this node can hold
	Bandwidth int64    `json:"bandwidth"`      // bytes per second, 0 if not measured
	Public    bool     `json:"public"`         // reachable from outside: eligible as a supervisor (never behind NAT)
	Compute   bool     `json:"compute"`        // takes work; false for interconnection only (paper, section 3.1.2)
	Addrs     []string `json:"addrs"`          // multiaddrs it can be reached at
	Codecs    []string `json:"codecs"`         // compression it can read, best first: zstd, zlib, none
	Cert      []byte   `json:"cert,omitempty"` // membership certificate

	// Instance is drawn at random when the sender starts: it tells a restarted node, whose old
	// connection may seem alive for a while, from the one it was. Filled in by the stream binding.
	Instance uint64 `json:"instance,omitempty"`
}

var _ = Define[Hello]("NODE_HELLO", Rules{MaxBytes: 16 << 10, From: FromAnyone,
	Reply: []Kind{"NODE_HELLO"}})

// Kind returns NODE_HELLO.
func (Hello) Kind() Kind { return "NODE_HELLO" }

// Validate checks the bounds of every field; see FieldError.
func (m Hello) Validate() error {
	var c checker
	c.atLeast("version", int64(m.Version), 1)
	c.text("agent", m.Agent, maxText)
	c.token("project", m.Project, maxName)
	c.atLeast("capacity", int64(m.Capacity), 0)
	c.atLeast("bandwidth", m.Bandwidth, 0)
	c.addrs("addrs", m.Addrs)
	c.names("codecs", m.Codecs, maxCodecs)
	c.count("cert", len(m.Cert), 0, maxCert)
	return c.err
}
