package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// maxLooked is how many accesses are looked through for one page.
const maxLooked = 2000

// ListAccesses implements [ServerInterface].
func (s *Server) ListAccesses(c echo.Context, params ListAccessesParams) error {
	look := params.Limit
	if params.Who != "" || params.Denied {
		look = maxLooked
	}
	page, err := idPage(params.Cursor, look)
	if err != nil {
		return err
	}
	rows, err := s.reader.Accesses(c.Request().Context(), page)
	if err != nil {
		return err
	}
	out, more := AccessList{Data: []Access{}}, len(rows) == page.Limit
	for i := range rows {
		if len(out.Data) == params.Limit {
			more = true
			break
		}
		a := &rows[i]
		if page.Before = a.ID; (params.Who == "" || a.Who == params.Who) && (a.Denied || !params.Denied) {
			out.Data = append(out.Data, accessView(a))
		}
	}
	if more {
		out.NextCursor = cursorOf(string(page.Before[:]))
	}
	return writeJSON(c, http.StatusOK, out)
}

func accessView(a *ledger.Access) Access {
	return Access{ID: a.ID.AccessRef(), Who: a.Who, Role: Role(a.Role), What: a.What, Subject: a.Subject, Denied: a.Denied, Reason: a.Reason,
		Times: a.Times, At: timeView(a.At)}
}
