package admin

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wobcompute/wobcompute/node"
)

var (
	eventsDesc = prometheus.NewDesc("wob_events_total", "What the machines of a project reported, by event.",
		[]string{"project", "event"}, nil)
	projectsDesc = prometheus.NewDesc("wob_projects", "Projects this node takes part in.", nil, nil)
)

// collector reads the node's own counters when they are asked for.
type collector struct{ node *node.Node }

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- eventsDesc
	ch <- projectsDesc
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	projects := c.node.Projects()
	ch <- prometheus.MustNewConstMetric(projectsDesc, prometheus.GaugeValue, float64(len(projects)))
	for _, p := range projects {
		for name, n := range p.Events().Counts() {
			ch <- prometheus.MustNewConstMetric(eventsDesc, prometheus.CounterValue, float64(n), p.ID(), name)
		}
	}
}

// metrics serves this node's counters with libp2p's and the runtime's, which are on the
// default registry.
func (s *Server) metrics() http.Handler {
	own := prometheus.NewRegistry()
	own.MustRegister(collector{s.node})
	return promhttp.HandlerFor(prometheus.Gatherers{own, prometheus.DefaultGatherer}, promhttp.HandlerOpts{})
}
