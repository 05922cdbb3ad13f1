package api_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	cosignatures "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/rfc6962"
	tesseraapi "github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/api"
	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/privacy"
)

// seal seals what was committed, and gives the log's keys.
func (s *stack) seal() audit.Keys {
	s.t.Helper()
	var err error
	if s.kek == nil {
		s.kek, err = privacy.NewKEK()
		check(s.t, err)
	}
	ring := &audit.Keyring{Book: s.book, Reader: s.store, Wrapper: s.kek}
	keys, err := ring.Ensure(s.t.Context(), "")
	check(s.t, err)
	_, err = audit.SealAll(s.t.Context(), s.book, s.store, s.kek)
	check(s.t, err)
	return keys
}

// grow adds leaves in commits of several sizes.
func (s *stack) grow(sizes ...int) {
	s.t.Helper()
	for _, n := range sizes {
		many := make(ledger.Many, n)
		for i := range many {
			many[i] = ledger.RecordAccess{Access: ledger.Access{ID: ledger.NewID(), Who: "user:asha", What: "bahi export", Subject: fmt.Sprint(i), Times: 1}}
		}
		_, err := ledger.Do[ledger.Outcomes](s.t.Context(), s.book, many)
		check(s.t, err)
	}
}

// served is the log as anybody can read it: a [tlog.TileReader] over HTTP.
type served struct {
	*stack
	t testing.TB
}

func (s served) get(path string) ([]byte, error) {
	r, err := s.client.Get("http://" + s.addr + "/v1/log/" + path)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", path, r.StatusCode, body)
	}
	return body, err
}

func (served) Height() int { return 8 }

func (s served) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		// C2SP leaves the height out.
		body, err := s.get("tile/" + strings.TrimPrefix(t.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		data = append(data, body)
	}
	return data, nil
}

func (served) SaveTiles([]tlog.Tile, [][]byte) {}

func (s served) tree(keys audit.Keys) tlog.Tree {
	s.t.Helper()
	text, err := s.get("checkpoint")
	check(s.t, err)
	head, err := audit.Open(string(text), keys.Verifiers()...)
	check(s.t, err)
	return head.Tree
}

// The log as it is served is read by the library that Go's own checksum database uses:
// each tile, each proof, each growth.
func TestLogIsReadByGosClient(t *testing.T) {
	s := start(t)
	s.grow(1, 255, 256, 700, 3)
	keys := s.seal()
	log := served{s, t}
	old := log.tree(keys)
	s.grow(1, 2000)
	s.seal()
	now := log.tree(keys)
	if now.N != old.N+2001 {
		t.Fatalf("%d leaves, then %d", old.N, now.N)
	}
	// Tiles of the older tree are served as they were then.
	for _, tree := range []tlog.Tree{old, now} {
		hashes := tlog.TileHashReader(tree, log)
		for leaf := range tree.N {
			if leaf%97 == 0 || leaf == tree.N-1 {
				proof, err := tlog.ProveRecord(tree.N, leaf, hashes)
				check(t, err)
				found, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, leaf)})
				check(t, err)
				check(t, tlog.CheckRecord(proof, tree.N, tree.Hash, leaf, found[0]))
			}
		}
	}
	proof, err := tlog.ProveTree(now.N, old.N, tlog.TileHashReader(now, log))
	check(t, err)
	check(t, tlog.CheckTree(proof, now.N, now.Hash, old.N, old.Hash))

	ours := read[api.ConsistencyProof](s.as(nobody).get(fmt.Sprintf("/v1/log/proofs/consistency?from=%d", old.N)).want(200))
	if len(ours.Hashes) != len(proof) || ours.To != now.N {
		t.Fatalf("the API's proof is %+v", ours)
	}
	for i, h := range ours.Hashes {
		if tlog.Hash(h) != proof[i] {
			t.Errorf("hash %d of the API's proof is another", i)
		}
	}
}

// The whole log is checked by Tessera's own tool, which is not ours: leaves, tiles, root.
func TestLogIsCheckedByTessera(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00"), a.settle(newPerson("ravi", 2, "KVRI"))
	a.comesTo(read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"party": ravi.id}, "1.00").want(201)), "completed")
	s.grow(300, 1, 5, 600)
	keys := s.seal()
	verifier, err := note.NewVerifier(keys.Verifiers()[0])
	check(t, err)
	root, err := url.Parse("http://" + s.addr + "/v1/log/")
	check(t, err)
	fetcher, err := client.NewHTTPFetcher(root, s.client)
	check(t, err)
	hasher := func(bundle []byte) (hashes [][]byte, err error) {
		var b tesseraapi.EntryBundle
		err = b.UnmarshalText(bundle)
		for _, e := range b.Entries {
			hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
		}
		return hashes, err
	}
	if _, err := fetcher.ReadEntryBundle(t.Context(), 0, 1); err == nil {
		t.Fatal("leaves are read without a key")
	}
	fetcher.SetAuthorizationHeader("Bearer " + s.keys[auditor])
	check(t, fsck.New(keys.Origin(), verifier, fetcher, hasher, fsck.Opts{N: 2}).Check(t.Context()))

	first, err := fetcher.ReadCheckpoint(t.Context())
	check(t, err)
	tracker, err := client.NewLogStateTracker(t.Context(), fetcher.ReadTile, first, verifier, keys.Origin(), client.UnilateralConsensus(fetcher.ReadCheckpoint))
	check(t, err)
	before := tracker.Latest()
	s.grow(700)
	s.seal()
	_, growth, _, err := tracker.Update(t.Context()) // which proves that it has only grown
	check(t, err)
	if len(growth) == 0 || tracker.Latest().Size < before.Size+700 {
		t.Errorf("grown to %d by %d hashes", tracker.Latest().Size, len(growth))
	}
}

func TestTilesAsServed(t *testing.T) {
	s := start(t)
	s.as(nobody).get("/v1/log/checkpoint").refused(404, "checkpoint_not_found")
	if keys := read[api.LogKeyList](s.as(nobody).get("/v1/log/keys").want(200)); len(keys.Data) != 0 {
		t.Errorf("keys before the first: %+v", keys)
	}
	s.grow(300)
	keys := s.seal()
	n := s.as(nobody)
	size := s.size()
	for path, want := range map[string]struct {
		bytes int
		kind  string
	}{
		"tile/0/000":       {8192, "application/octet-stream"},
		"tile/0/000.p/255": {255 * 32, "application/octet-stream"},
		"tile/0/001.p/1":   {32, "application/octet-stream"},
		"tile/0/001.p%2F1": {32, "application/octet-stream"},
		"tile/1/000.p/1":   {32, "application/octet-stream"},
	} {
		r, err := s.client.Get("http://" + s.addr + "/v1/log/" + path)
		check(t, err)
		body, err := io.ReadAll(r.Body)
		check(t, err)
		r.Body.Close()
		wantEqual(t, path, fmt.Sprint(r.StatusCode, len(body), r.Header.Get("Content-Type"), r.Header.Get("Cache-Control")),
			fmt.Sprint(200, want.bytes, want.kind, "public, max-age=31536000, immutable"))
	}
	for _, path := range []string{"0/001", "0/002.p/1", fmt.Sprintf("0/001.p/%d", size-256+1), "1/000", "2/000.p/1", "0/000.p/256", "0/000.p/0", "0/000.p/01", "0/0", "0/x000/000",
		"00/000", "-1/000", "+0/000", "64/000", "data/000", "data/000.p/1", "0/x001/067", "0/000/", "0/000.p/1/2", "0/..%2F000", "0%2F001.p/1"} {
		r, err := s.client.Get("http://" + s.addr + "/v1/log/tile/" + path)
		check(t, err)
		body, err := io.ReadAll(r.Body)
		check(t, err)
		r.Body.Close()
		if r.StatusCode != 404 || !strings.Contains(string(body), "tile_not_found") {
			t.Errorf("%s: %d %s", path, r.StatusCode, body)
		}
	}
	checkpoint := n.get("/v1/log/checkpoint").want(200)
	wantEqual(t, "checkpoint", checkpoint.header.Get("Content-Type"), "text/plain; charset=utf-8")
	wantEqual(t, "of its size", string(n.get(fmt.Sprint("/v1/log/checkpoint?size=", size)).want(200).body), string(checkpoint.body))
	n.get("/v1/log/checkpoint?size=7").refused(404, "checkpoint_not_found")
	n.get("/v1/log/checkpoint?size=-1").refused(400, "malformed_parameter")
	for _, query := range []string{"from=0", "from=x", ""} {
		n.get("/v1/log/proofs/consistency?"+query).refused(400, "malformed_parameter")
	}
	for _, query := range []string{"from=5&to=4", fmt.Sprint("from=1&to=", size+1), fmt.Sprint("from=", size+1)} {
		n.get("/v1/log/proofs/consistency?"+query).refused(404, "tree_not_found")
	}
	listed := read[api.LogKeyList](n.get("/v1/log/keys").want(200))
	if len(listed.Data) != 1 || listed.Data[0].Key != keys.Verifiers()[0] || listed.Origin != keys.Origin() || !listed.Data[0].Until.IsZero() {
		t.Errorf("keys %+v", listed)
	}
	metrics := string(s.as(auditor).get("/metrics").want(200).body)
	if !strings.Contains(metrics, fmt.Sprint("bahi_log_leaves ", size)) || !strings.Contains(metrics, "bahi_log_lag_seconds 0\n") {
		t.Errorf("metrics:\n%s", metrics)
	}
	s.grow(1)
	if metrics := string(s.as(auditor).get("/metrics").want(200).body); strings.Contains(metrics, "bahi_log_lag_seconds 0\n") {
		t.Error("no lag is shown of what is not sealed")
	}
}

// A bundle has as many leaves as it was asked for, of which the tiles have the hashes.
func TestBundlesAsServed(t *testing.T) {
	s := start(t)
	s.grow(100, 100, 100, 100)
	s.seal()
	log := served{s, t}
	for path, want := range map[string]int{"000": 256, "000.p/1": 1, "000.p/99": 99, "000.p/100": 100, "000.p/101": 101, "000.p/255": 255, "001.p/50": 50} {
		var b tesseraapi.EntryBundle
		check(t, b.UnmarshalText(s.as(auditor).get("/v1/log/tile/entries/"+strings.ReplaceAll(path, "/", "%2F")).want(200).body))
		tile, err := log.get("tile/0/" + path)
		check(t, err)
		if len(b.Entries) != want || len(tile) != want*tlog.HashSize {
			t.Fatalf("%s: %d leaves, %d bytes of hashes", path, len(b.Entries), len(tile))
		}
		for i, leaf := range b.Entries {
			if h := tlog.RecordHash(leaf); string(h[:]) != string(tile[i*tlog.HashSize:][:tlog.HashSize]) {
				t.Errorf("%s: leaf %d is not that of the tile", path, i)
			}
		}
	}
	for _, path := range []string{"001", "002.p%2F1", "001.p%2F255", "x001%2F000", "1"} {
		s.as(auditor).get("/v1/log/tile/entries/"+path).refused(404, "tile_not_found")
	}
}

func (s *stack) size() int64 {
	s.t.Helper()
	head, err := s.store.LogHead(context.Background())
	check(s.t, err)
	return head.Size
}

func TestProofsOverTheAPI(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00"), a.settle(newPerson("ravi", 2, "KVRI"))
	paid := a.comesTo(read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"party": ravi.id}, "1.00").want(201)), "completed")
	toProof, toReceipt := "/v1/transfers/"+paid.ID+"/proof", "/v1/transfers/"+paid.ID+"/receipt"
	a.get(toProof).refused(409, "not_sealed")
	keys := s.seal()
	for _, path := range []string{toProof, toReceipt} {
		s.as(chatB).get(path).refused(404, "transfer_not_found")
		s.as(auditor).get(path).want(200)
	}
	p := read[api.TransferProof](a.get(toProof).want(200))
	head, err := audit.Open(p.Checkpoint, keys.Verifiers()...)
	check(t, err)
	wantEqual(t, "size", p.Size, head.N)
	var kinds []string
	for _, l := range p.Leaves {
		var hashes tlog.RecordProof
		for _, h := range l.Hashes {
			hashes = append(hashes, tlog.Hash(h))
		}
		check(t, tlog.CheckRecord(hashes, head.N, head.Hash, l.Place, tlog.RecordHash(l.Leaf)))
		kinds = append(kinds, l.Kind)
	}
	wantEqual(t, "leaves", strings.Join(kinds, " "), "transfer posting step posting") // the wallet's debit is in the first commit
	file := a.get(toReceipt).want(200).body
	r, err := audit.CheckReceipt(file, keys.Verifiers(), audit.Witnesses{})
	check(t, err)
	wantEqual(t, "the receipt's", r.Transfer.ID.TransferRef(), paid.ID)
	for _, secret := range []string{asha.name, asha.phone, asha.id} {
		if strings.Contains(string(file), secret) {
			t.Errorf("the receipt says %s", secret)
		}
	}
}

func TestCosignatures(t *testing.T) {
	secret, plain, err := note.GenerateKey(rand.Reader, "witness.example/w1")
	check(t, err)
	vkey, err := cosignatures.VKeyToCosignatureV1(plain)
	check(t, err)
	witnesses, err := audit.ReadWitnesses([]string{vkey})
	check(t, err)
	strange, _, err := note.GenerateKey(rand.Reader, "witness.example/w2")
	check(t, err)
	s := start(t, func(o *setup) { o.witnesses = witnesses })
	s.grow(3)
	keys := s.seal()
	size := s.size()
	n, at := s.as(nobody), fmt.Sprint("/v1/log/checkpoint?size=", size)
	bare := string(n.get(at).want(200).body)
	cosign := func(secret string) string {
		signer, err := cosignatures.NewSignerForCosignatureV1(secret)
		check(t, err)
		text, _, _ := strings.Cut(bare, "\n\n")
		signed, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
		check(t, err)
		return strings.TrimSuffix(strings.SplitAfter(string(signed), "\n\n")[1], "\n")
	}
	const path = "/v1/log/cosignatures"
	a := s.as(auditor)
	a.post(path, obj{"size": size, "lines": []string{cosign(strange)}}).refused(422, "cosignature_wrong")
	a.post(path, obj{"size": size, "lines": []string{strings.Replace(cosign(secret), "A", "B", 1)}}).refused(422, "cosignature_wrong")
	a.post(path, obj{"size": 2, "lines": []string{cosign(secret)}}).refused(404, "checkpoint_not_found")
	a.post(path, obj{"size": size}).refused(400, "missing_field")
	a.post(path, obj{"lines": []string{"x"}}).refused(400, "missing_field")
	a.post(path, obj{"size": -1, "lines": []string{"x"}}).refused(400, "invalid_field")
	a.post(path, obj{"size": size, "lines": make([]string, 17)}).refused(400, "invalid_field")
	s.as(chatA).post(path, obj{"size": size, "lines": []string{cosign(secret)}}).refused(403, "role_not_allowed")
	wantEqual(t, "nothing was taken", string(n.get(at).want(200).body), bare)

	taken := a.post(path, obj{"size": size, "lines": []string{cosign(strange), cosign(secret)}}).want(200)
	wantEqual(t, "cosigned", string(n.get(at).want(200).body), string(taken.body))
	if !strings.HasPrefix(string(taken.body), bare) {
		t.Errorf("it is now\n%s", taken.body)
	}
	verifier, err := cosignatures.NewVerifierForCosignatureV1(vkey)
	check(t, err)
	opened, err := note.Open(taken.body, note.VerifierList(verifier))
	check(t, err)
	wantEqual(t, "cosigned by", opened.Sigs[0].Name, "witness.example/w1")
	s.as(operator).post(path, obj{"size": size, "lines": []string{cosign(secret)}}).want(200)
	again := n.get(at).want(200).body
	if _, err := audit.Open(string(again), keys.Verifiers()...); err != nil || strings.Count(string(again), "witness.example/w1") != 1 {
		t.Errorf("after another time: %v\n%s", err, again)
	}
	if _, err := note.Open(again, note.VerifierList()); !errors.As(err, new(*note.UnverifiedNoteError)) {
		t.Errorf("%v", err)
	}
}
