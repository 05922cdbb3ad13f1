package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/audit"
)

// For how long proxies and clients may keep what the log serves.
const (
	forEver   = "public, max-age=31536000, immutable"
	forOne    = "private, max-age=31536000, immutable"
	forAWhile = "public, max-age=1"
)

const plainText = "text/plain; charset=utf-8"

// GetCheckpoint implements [ServerInterface]. The newest is committed with its tiles, so
// they are there.
func (s *Server) GetCheckpoint(c echo.Context, params GetCheckpointParams) error {
	ctx := c.Request().Context()
	checkpoint, err := s.checkpoint(ctx, params.Size)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, forAWhile)
	return s.writeCheckpoint(c, checkpoint)
}

// checkpoint is that of a size, or the newest.
func (s *Server) checkpoint(ctx context.Context, size int64) (found ledger.Checkpoint, err error) {
	if size == 0 {
		found, err = audit.Latest(ctx, s.reader)
	} else {
		found, err = s.reader.Checkpoint(ctx, size)
	}
	if errors.Is(err, ledger.ErrNotFound) {
		err = notFound("checkpoint")
	}
	return found, err
}

func (s *Server) writeCheckpoint(c echo.Context, checkpoint ledger.Checkpoint) error {
	by, err := s.reader.Cosignatures(c.Request().Context(), checkpoint.Size)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, plainText, []byte(audit.Cosigned(checkpoint, by)))
}

// GetTile implements [ServerInterface]. The router gives the last parameter of a route all
// that is left of the path, slashes too.
func (s *Server) GetTile(c echo.Context, level, path string) error {
	tile, err := audit.ParseTile(level, path)
	if err == nil {
		return writeTile(c, tile.Hashes, s.reader, forEver)
	}
	return notFound("tile")
}

// GetEntries implements [ServerInterface].
func (s *Server) GetEntries(c echo.Context, path string) error {
	tile, err := audit.ParseBundle(path)
	if err == nil {
		return writeTile(c, tile.Leaves, s.reader, forOne)
	}
	return notFound("tile")
}

func writeTile(c echo.Context, read func(context.Context, ledger.LogReader) ([]byte, error), r ledger.LogReader, keep string) error {
	data, err := read(c.Request().Context(), r)
	if errors.Is(err, ledger.ErrNotFound) {
		return notFound("tile")
	}
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, keep)
	return c.Blob(http.StatusOK, echo.MIMEOctetStream, data)
}

// ProveConsistency implements [ServerInterface].
func (s *Server) ProveConsistency(c echo.Context, params ProveConsistencyParams) error {
	ctx := c.Request().Context()
	if params.To == 0 {
		head, err := s.reader.LogHead(ctx)
		if err != nil {
			return err
		}
		params.To = head.Size
	}
	hashes, err := audit.ProveConsistency(ctx, s.reader, params.From, params.To)
	if errors.Is(err, audit.ErrNoSuchTree) {
		return newProblem(http.StatusNotFound, "tree_not_found", "the log has no trees of %d and then of %d leaves", params.From, params.To)
	}
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, ConsistencyProof{From: params.From, To: params.To, Hashes: hashViews(hashes)})
}

func hashViews[H ~[32]byte](hashes []H) [][]byte {
	views := make([][]byte, len(hashes))
	for i := range hashes {
		views[i] = hashes[i][:]
	}
	return views
}

// ListLogKeys implements [ServerInterface].
func (s *Server) ListLogKeys(c echo.Context) error {
	keys, err := audit.ReadKeys(c.Request().Context(), s.reader)
	if err != nil {
		return err
	}
	out := LogKeyList{Origin: keys.Origin(), Data: make([]LogKey, len(keys))}
	for i, k := range keys {
		out.Data[i] = LogKey{Key: k.Verifier, CreatedAt: timeView(k.Created), Until: timeView(k.Until)}
	}
	return writeJSON(c, http.StatusOK, out)
}

// maxCosignatures is how many lines are looked at.
const maxCosignatures = 16

// AddCosignatures implements [ServerInterface].
func (s *Server) AddCosignatures(c echo.Context) error {
	var in NewCosignatures
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	switch {
	case in.Size == 0:
		return badRequest("missing_field", "this field is required").at("/size")
	case len(in.Lines) == 0:
		return badRequest("missing_field", "this field is required").at("/lines")
	case in.Size < 0:
		return badRequest("invalid_field", "a size is greater than zero").at("/size")
	case len(in.Lines) > maxCosignatures:
		return badRequest("invalid_field", "%d lines at most", maxCosignatures).at("/lines")
	}
	ctx := c.Request().Context()
	checkpoint, err := s.checkpoint(ctx, in.Size)
	if err != nil {
		return err
	}
	taken, err := s.witnesses.Check(checkpoint, in.Lines)
	if errors.Is(err, audit.ErrCosignature) {
		return newProblem(http.StatusUnprocessableEntity, "cosignature_wrong", "%v", err).at("/lines")
	}
	if err != nil {
		return err
	}
	var commands ledger.Many
	for _, t := range taken {
		commands = append(commands, ledger.KeepCosignature{Cosignature: t})
	}
	if _, err := ledger.Do[ledger.Outcomes](ctx, s.book, commands); err != nil {
		return err
	}
	return s.writeCheckpoint(c, checkpoint)
}

// How long what was committed just now is waited for, and how often it is looked at.
const (
	sealWait  = 2 * time.Second
	sealAgain = 50 * time.Millisecond
)

// proof proves a transfer that the caller may see.
func (s *Server) proof(c echo.Context, ref string) (audit.TransferProof, error) {
	ctx := c.Request().Context()
	t, err := s.transfer(ctx, caller(c), ref)
	if err != nil {
		return audit.TransferProof{}, err
	}
	over := time.NewTimer(sealWait)
	defer over.Stop()
	again := time.NewTicker(sealAgain)
	defer again.Stop()
	for {
		p, err := audit.ProveTransfer(ctx, s.reader, t.ID)
		if !errors.Is(err, audit.ErrNotSealed) {
			return p, err
		}
		select {
		case <-again.C:
		case <-over.C:
			return p, newProblem(http.StatusConflict, "not_sealed", "it was committed just now and is not in the tree yet; ask again")
		case <-ctx.Done():
			return p, ctx.Err()
		}
	}
}

// ProveTransfer implements [ServerInterface].
func (s *Server) ProveTransfer(c echo.Context, ref string) error {
	p, err := s.proof(c, ref)
	if err != nil {
		return err
	}
	out := TransferProof{Transfer: p.Transfer.TransferRef(), Size: p.Head.N, Checkpoint: p.Checkpoint, Leaves: make([]LeafProof, len(p.Leaves))}
	for i, l := range p.Leaves {
		leaf, err := ledger.ParseLeaf(l.Leaf)
		if err != nil {
			return err
		}
		out.Leaves[i] = LeafProof{Place: l.Place, Kind: leaf.LeafKind().String(), Leaf: l.Leaf, Hashes: hashViews(l.Hashes)}
	}
	return writeJSON(c, http.StatusOK, out)
}

// GetReceipt implements [ServerInterface].
func (s *Server) GetReceipt(c echo.Context, ref string) error {
	p, err := s.proof(c, ref)
	if err != nil {
		return err
	}
	file, err := p.Receipt()
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, plainText, file)
}
