package protocols

// SyncRequest asks a supervisor for its index, after a gap, a digest that differs, or an
// election.
type SyncRequest struct {
	Cluster ClusterID `json:"cluster"`
	Digest  Digest    `json:"digest"`
}

var _ = Define[SyncRequest]("CL_SYNC_REQUEST", Rules{MaxBytes: 4 << 10, From: FromSupervisor,
	Reply: []Kind{"CL_SYNC"}})

// Kind returns CL_SYNC_REQUEST.
func (SyncRequest) Kind() Kind { return "CL_SYNC_REQUEST" }

// Validate checks the bounds of every field; see FieldError.
func (m SyncRequest) Validate() error {
	var c checker
	c.cluster("cluster", m.Cluster, false)
	c.digest("digest", &m.Digest)
	return c.err
}
