package api

import (
	"net/http"

	"github.com/labstack/echo-contrib/echoprometheus"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"bahi/ledger"
)

// metrics are what /metrics shows.
type metrics struct {
	registry   *prometheus.Registry
	middleware echo.MiddlewareFunc
	states     *prometheus.CounterVec // steps of transfers, by the state they led to
	batch      prometheus.Histogram   // steps in one commit
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		states: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "bahi", Name: "transfer_steps_total",
			Help: "Steps that transfers took, by the state they led to."}, []string{"state"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "bahi", Name: "batch_steps",
			Help: "Steps of transfers in one commit.", Buckets: prometheus.ExponentialBuckets(1, 4, 7)}),
	}
	m.registry.MustRegister(m.states, m.batch, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "bahi", Name: "queue_commands",
			Help: "Commands that wait for the next commit."}, func() float64 { return float64(s.book.Waiting()) }),
		bankCollector{s}, logCollector{s}, s.webhooks)
	m.middleware = echoprometheus.NewMiddlewareWithConfig(echoprometheus.MiddlewareConfig{Namespace: "bahi", Subsystem: "http", Registerer: m.registry,
		DoNotUseRequestPathFor404: true, StatusCodeResolver: statusOf,
		LabelFuncs: map[string]echoprometheus.LabelValueFunc{"host": noHost, "method": knownMethod}})
	return m
}

// statusOf is the status that a request is answered with; a refusal is not written yet.
func statusOf(c echo.Context, err error) int {
	if err != nil && !c.Response().Committed {
		return asProblem(err).status
	}
	return c.Response().Status
}

// No label may hold what callers make up: each new value would be remembered for
// ever, and paths name people.

func noHost(echo.Context, error) string { return "" }

func knownMethod(c echo.Context, _ error) string {
	switch m := c.Request().Method; m {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
		return m
	}
	return "other"
}

func (m *metrics) observe(set *ledger.Set) {
	steps := 0
	set.History(func(s *ledger.Step) {
		m.states.WithLabelValues(s.State.String()).Inc()
		steps++
	})
	if steps > 0 {
		m.batch.Observe(float64(steps))
	}
}

// bankCollector shows the banks' health as it is when it is asked for.
type bankCollector struct{ s *Server }

var (
	bankAnswers  = prometheus.NewDesc("bahi_bank_answers_total", "Answers of a bank, by outcome.", []string{"bank", "outcome"}, nil)
	bankInFlight = prometheus.NewDesc("bahi_bank_in_flight", "Instructions that a bank is working on.", []string{"bank"}, nil)
)

// Describe implements [prometheus.Collector].
func (bankCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- bankAnswers
	ch <- bankInFlight
}

// Collect implements [prometheus.Collector].
func (b bankCollector) Collect(ch chan<- prometheus.Metric) {
	for _, bank := range b.s.registry.All() {
		h, ok := b.s.dispatcher.Health(bank.Code)
		if !ok {
			continue
		}
		for outcome, n := range map[string]int64{"approved": h.Total.Approved, "business_decline": h.Total.Business,
			"technical_decline": h.Total.Technical, "unknown": h.Total.Unknown} {
			ch <- prometheus.MustNewConstMetric(bankAnswers, prometheus.CounterValue, float64(n), bank.Code, outcome)
		}
		ch <- prometheus.MustNewConstMetric(bankInFlight, prometheus.GaugeValue, float64(h.InFlight), bank.Code)
	}
}
