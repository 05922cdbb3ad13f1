package webhook

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a sender shows. No label holds what an app makes up.
type metrics struct {
	tries *prometheus.CounterVec
	dead  prometheus.Counter
}

func newMetrics() metrics {
	return metrics{
		tries: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "bahi", Name: "webhook_tries_total",
			Help: "Tries to deliver an event, by result: taken, or why not."}, []string{"result"}),
		dead: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "bahi", Name: "webhook_dead_total",
			Help: "Events that were not taken for too long."}),
	}
}

func (m *metrics) tried(o *outcome) {
	result := o.failure
	if o.taken {
		result = "taken"
	}
	m.tries.WithLabelValues(result).Inc()
}

// gauges are how an endpoint is doing.
type gauges struct {
	oldest, pending atomic.Int64
	looked          atomic.Int64 // when oldest was looked for
}

func (g *gauges) set(q *queue) {
	g.pending.Store(int64(q.parked))
	if now := time.Now().UnixMicro(); now-g.looked.Load() > time.Second.Microseconds() || len(q.jobs) < 100 {
		g.looked.Store(now)
		g.oldest.Store(q.oldest())
	}
}

var (
	lagOf     = prometheus.NewDesc("bahi_webhook_lag_seconds", "Age of the oldest event that an endpoint of this node has not taken.", []string{"endpoint"}, nil)
	pendingOf = prometheus.NewDesc("bahi_webhook_pending", "Events that an endpoint of this node did not take and will be sent again.", []string{"endpoint"}, nil)
)

// Describe implements [prometheus.Collector].
func (s *Sender) Describe(ch chan<- *prometheus.Desc) {
	s.metrics.tries.Describe(ch)
	s.metrics.dead.Describe(ch)
	ch <- lagOf
	ch <- pendingOf
}

// Collect implements [prometheus.Collector].
func (s *Sender) Collect(ch chan<- prometheus.Metric) {
	s.metrics.tries.Collect(ch)
	s.metrics.dead.Collect(ch)
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.workers {
		lag := 0.0
		if oldest := w.state.oldest.Load(); oldest != 0 {
			lag = max(0, s.opt.Clock.Now().Sub(time.UnixMicro(oldest))).Seconds()
		}
		ch <- prometheus.MustNewConstMetric(lagOf, prometheus.GaugeValue, lag, id.EndpointRef())
		ch <- prometheus.MustNewConstMetric(pendingOf, prometheus.GaugeValue, float64(w.state.pending.Load()), id.EndpointRef())
	}
}
