package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bahi/ledger"
)

// Healthz implements [ServerInterface]: the process answers.
func (s *Server) Healthz(c echo.Context) error {
	return writeJSON(c, http.StatusOK, Health{Status: HealthStatusOk})
}

// Readyz implements [ServerInterface]: the database answers too, and the queue has room.
func (s *Server) Readyz(c echo.Context) error {
	select {
	case <-s.stopping:
		return ledger.ErrClosed
	default:
	}
	if err := s.reader.Ping(c.Request().Context()); err != nil {
		return err
	}
	if s.book.Full() {
		return ledger.ErrBusy
	}
	return writeJSON(c, http.StatusOK, Health{Status: HealthStatusOk})
}

// Metrics implements [ServerInterface].
func (s *Server) Metrics(c echo.Context) error {
	promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}).ServeHTTP(c.Response(), c.Request())
	return nil
}

// OpenAPI implements [ServerInterface].
func (s *Server) OpenAPI(c echo.Context) error {
	return c.JSONBlob(http.StatusOK, s.contract.json)
}
