package api

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// logCollector shows how far the log is sealed, by whichever node, when it is asked for.
type logCollector struct{ s *Server }

var (
	logSize = prometheus.NewDesc("bahi_log_leaves", "Leaves of the log that are sealed.", nil, nil)
	logLag  = prometheus.NewDesc("bahi_log_lag_seconds", "Age of the oldest change of the book that is not sealed yet.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (logCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- logSize
	ch <- logLag
}

// Collect implements [prometheus.Collector].
func (l logCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	head, err := l.s.reader.LogHead(ctx)
	if err != nil {
		return // the database is away: readyz says so
	}
	waiting, err := l.s.reader.Unsealed(ctx, 1)
	if err != nil {
		return
	}
	lag := 0.0
	if len(waiting) > 0 {
		lag = max(0, time.Duration(l.s.now().UnixMicro()-waiting[0].At)*time.Microsecond).Seconds()
	}
	ch <- prometheus.MustNewConstMetric(logSize, prometheus.GaugeValue, float64(head.Size))
	ch <- prometheus.MustNewConstMetric(logLag, prometheus.GaugeValue, lag)
}
