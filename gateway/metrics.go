package gateway

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wobcompute/wobcompute/gateway/api"
)

// metrics are the gateway's figures for Prometheus. Counts of what is stored are taken
// from the state when they are asked for, so that they cannot drift from it.
type metrics struct {
	calls   *prometheus.CounterVec
	handler http.Handler
}

func newMetrics(s *Server) *metrics {
	reg := prometheus.NewRegistry()
	m := &metrics{calls: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "wob_gateway_calls_total", Help: "Calls of the API by route and status."}, []string{"route", "status"})}
	gauge := func(name, help string, value func(*state) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			return value(&s.state)
		})
	}
	reg.MustRegister(m.calls, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("wob_gateway_members", "Enrolled members.", func(st *state) float64 { return float64(len(st.members)) }),
		gauge("wob_gateway_clusters", "Clusters known.", func(st *state) float64 { return float64(len(st.clusters)) }),
		gauge("wob_gateway_failsafe_wobs", "WOBs in the failsafe store.", func(st *state) float64 { return float64(len(st.failsafe)) }),
		gauge("wob_gateway_workload", "Workload level.", func(st *state) float64 { return float64(st.workload) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "wob_gateway_store_failed", Help: "1 when the store takes no more writes."}, func() float64 {
			if s.kv.Err() != nil {
				return 1
			}
			return 0
		}))
	for _, in := range []api.State{api.Queued, api.Running, api.Waiting, api.Finished, api.Failed, api.Cancelled} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "wob_gateway_roots", Help: "Roots by state.",
			ConstLabels: prometheus.Labels{"state": string(in)}}, func() float64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			n := 0
			for _, r := range s.state.roots {
				if r.State == in {
					n++
				}
			}
			return float64(n)
		}))
	}
	m.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) count(rt route, status int) {
	if status == 0 {
		status = http.StatusOK
	}
	m.calls.WithLabelValues(rt.pattern(), strconv.Itoa(status)).Inc()
}

func (m *metrics) serve(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }
