-- The log: the book as a Merkle tree, and what is beside it. Every commit adds rows to it,
-- which get their place in the tree later.

-- +goose Up

-- No row is ever deleted, so that each new n is greater than all others.
CREATE TABLE log (
    n      INTEGER NOT NULL PRIMARY KEY,
    first  INTEGER CHECK (first >= 0), -- the place of its first leaf, NULL until it is sealed
    at     INTEGER NOT NULL,
    leaves INTEGER NOT NULL CHECK (leaves BETWEEN 1 AND 256),
    data   BLOB    NOT NULL -- the leaves, the length of each before it in two bytes
) STRICT;

CREATE UNIQUE INDEX log_by_place ON log (first) WHERE first IS NOT NULL;
CREATE INDEX log_unsealed ON log (n) WHERE first IS NULL;
CREATE INDEX log_by_time ON log (at);

-- How far the log is sealed: one row.
CREATE TABLE log_head (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    size   INTEGER NOT NULL CHECK (size >= 0),
    root   BLOB    NOT NULL CHECK (length(root) = 32),
    at     INTEGER NOT NULL,
    sealer BLOB    NOT NULL CHECK (length(sealer) = 16)
) STRICT;

-- The hashes of the tree, 256 side by side. The tile at the right end grows.
CREATE TABLE log_tiles (
    level  INTEGER NOT NULL CHECK (level >= 0),
    n      INTEGER NOT NULL CHECK (n >= 0),
    hashes BLOB    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, n)
) STRICT;

CREATE TABLE checkpoints (
    size INTEGER NOT NULL PRIMARY KEY CHECK (size > 0),
    at   INTEGER NOT NULL,
    note TEXT    NOT NULL -- signed
) STRICT;

CREATE INDEX checkpoints_by_time ON checkpoints (at, size);

-- What witnesses signed; the latest of each counts.
CREATE TABLE cosignatures (
    size    INTEGER NOT NULL CHECK (size > 0), -- of the checkpoint
    witness TEXT    NOT NULL,
    line    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (size, witness)
) STRICT, WITHOUT ROWID;

-- Who looked at the book.
CREATE TABLE accesses (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    who     TEXT    NOT NULL,
    role    TEXT,
    what    TEXT    NOT NULL,
    subject TEXT,
    denied  INTEGER NOT NULL CHECK (denied IN (0, 1)),
    reason  TEXT,
    times   INTEGER NOT NULL CHECK (times > 0),
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The keys of persons' data, encrypted. To delete one is to erase the person. SQLite
-- leaves copies behind of rows that it moves from page to page. So these rows are
-- appended and stay where they are, and one that is deleted, or gets another length,
-- is overwritten there by noise.
CREATE TABLE persons (
    n       INTEGER NOT NULL PRIMARY KEY,
    party   BLOB    NOT NULL UNIQUE CHECK (length(party) = 16),
    wrapped BLOB    NOT NULL
) STRICT;

CREATE TABLE erasures (
    party     BLOB    NOT NULL PRIMARY KEY CHECK (length(party) = 16),
    erased_by TEXT,
    at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Secrets of the book itself, encrypted by a key that is not in it.
CREATE TABLE secrets (
    name       TEXT    NOT NULL PRIMARY KEY,
    public     TEXT,
    wrapped    BLOB    NOT NULL,
    created    INTEGER NOT NULL,
    until_time INTEGER NOT NULL -- of no use from then on; 0: not known yet
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER persons_delete BEFORE DELETE ON persons
BEGIN
    UPDATE persons SET party = randomblob(16), wrapped = randomblob(length(OLD.wrapped)) WHERE n = OLD.n;
    SELECT RAISE(IGNORE);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER persons_update BEFORE UPDATE OF wrapped ON persons WHEN length(NEW.wrapped) <> length(OLD.wrapped)
BEGIN
    DELETE FROM persons WHERE n = OLD.n;
    INSERT INTO persons (party, wrapped) VALUES (NEW.party, NEW.wrapped);
    SELECT RAISE(IGNORE);
END;
-- +goose StatementEnd

-- A row of the log gets its place once, and nothing else of it changes; tiles and the
-- head only grow. All but the keys of persons is kept, whoever asks.

-- +goose StatementBegin
CREATE TRIGGER log_refuse_update BEFORE UPDATE OF n, at, leaves, data ON log
BEGIN SELECT RAISE(ABORT, 'the log is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_refuse_place BEFORE UPDATE OF first ON log WHEN OLD.first IS NOT NULL OR NEW.first IS NULL
BEGIN SELECT RAISE(ABORT, 'the log is sealed for good'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_refuse_delete BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'the log is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_head_refuse_back BEFORE UPDATE ON log_head WHEN NEW.size < OLD.size OR NEW.at < OLD.at
BEGIN SELECT RAISE(ABORT, 'the log is sealed for good'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_head_refuse_delete BEFORE DELETE ON log_head
BEGIN SELECT RAISE(ABORT, 'the log is sealed for good'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_tiles_refuse_update BEFORE UPDATE ON log_tiles WHEN NEW.level <> OLD.level OR NEW.n <> OLD.n OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes
BEGIN SELECT RAISE(ABORT, 'a tile of the log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_tiles_refuse_delete BEFORE DELETE ON log_tiles
BEGIN SELECT RAISE(ABORT, 'a tile of the log is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER checkpoints_refuse_update BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'a checkpoint is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER checkpoints_refuse_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'a checkpoint is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER cosignatures_refuse_delete BEFORE DELETE ON cosignatures
BEGIN SELECT RAISE(ABORT, 'what a witness signed is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER accesses_refuse_update BEFORE UPDATE ON accesses
BEGIN SELECT RAISE(ABORT, 'who looked at the book is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER accesses_refuse_delete BEFORE DELETE ON accesses
BEGIN SELECT RAISE(ABORT, 'who looked at the book is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER erasures_refuse_update BEFORE UPDATE ON erasures
BEGIN SELECT RAISE(ABORT, 'an erasure is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER erasures_refuse_delete BEFORE DELETE ON erasures
BEGIN SELECT RAISE(ABORT, 'an erasure is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER secrets_refuse_update BEFORE UPDATE OF name, public, created ON secrets
BEGIN SELECT RAISE(ABORT, 'a secret of the book is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER secrets_refuse_delete BEFORE DELETE ON secrets
BEGIN SELECT RAISE(ABORT, 'a secret of the book is kept'); END;
-- +goose StatementEnd
