package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// exchange is what the middleware knows of a request.
type exchange struct {
	id     string     // the request's id, in the log and in the answer
	caller ledger.Key // whose key it came with; zero where none is needed
	// connection ends with the caller's: of answers that may take longer than others.
	connection context.Context
}

const exchangeKey = "exchange"

func exchangeOf(c echo.Context) *exchange {
	x, _ := c.Get(exchangeKey).(*exchange)
	if x == nil {
		return &exchange{}
	}
	return x
}

func requestID(c echo.Context) string { return exchangeOf(c).id }

// caller is whose key the request came with.
func caller(c echo.Context) *ledger.Key { return &exchangeOf(c).caller }

// identify gives the request its id and its time, and logs its end. The log
// holds the route, never the path or the query, since those name people.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		r := c.Request()
		x := &exchange{id: acceptRequestID(r.Header.Get(echo.HeaderXRequestID)), connection: r.Context()}
		c.Set(exchangeKey, x)
		c.Response().Header().Set(echo.HeaderXRequestID, x.id)
		if len(r.TransferEncoding) > 0 {
			// It may have come with a length too, of which net/http tells nothing and by which a
			// proxy may have seen it end elsewhere: RFC 9112, 6.1 wants the connection closed.
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout+maxWait)
		defer cancel()
		c.SetRequest(r.WithContext(ctx))
		err := next(c)
		if err != nil {
			c.Error(err)
		}
		s.log.LogAttrs(ctx, slog.LevelInfo, "request",
			slog.String("request_id", x.id), slog.String("method", r.Method), slog.String("route", c.Path()),
			slog.Int("status", c.Response().Status), slog.Int64("took_us", time.Since(began).Microseconds()),
			slog.String("role", x.role()), slog.String("app", x.caller.App))
		if errors.Is(err, errCut) {
			panic(http.ErrAbortHandler) // net/http closes the connection, so that the caller sees it
		}
		return nil
	}
}

func (x *exchange) role() string {
	if x.caller.ID.IsZero() {
		return ""
	}
	return x.caller.Role.String()
}

// acceptRequestID takes the caller's own id where it is harmless in a log, or makes one.
func acceptRequestID(id string) string {
	const harmless = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	if id == "" || len(id) > 64 || strings.Trim(id, harmless) != "" {
		return uuid.NewString()
	}
	return id
}

// recovered turns a panic of a handler into a problem; the server goes on.
func recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = panicked(r)
			}
		}()
		return next(c)
	}
}

func panicked(r any) error { return fmt.Errorf("panic: %v\n%s", r, debug.Stack()) }
