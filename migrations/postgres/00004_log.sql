-- The log: the book as a Merkle tree, and what is beside it. Every commit adds rows to it,
-- which get their place in the tree later.

-- +goose Up

-- Its numbers are taken by the last statement of a batch, after all of its locks: of two
-- batches that meet, the later has the greater ones.
CREATE SEQUENCE log_n;

CREATE TABLE log (
    n      BIGINT   NOT NULL DEFAULT nextval('log_n') PRIMARY KEY,
    first  BIGINT CHECK (first >= 0), -- the place of its first leaf, NULL until it is sealed
    at     BIGINT   NOT NULL,
    leaves INTEGER  NOT NULL CHECK (leaves BETWEEN 1 AND 256),
    data   BYTEA    NOT NULL -- the leaves, the length of each before it in two bytes
);

-- Hashes and ids cannot be compressed.
ALTER TABLE log ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE UNIQUE INDEX log_by_place ON log (first) WHERE first IS NOT NULL;
CREATE INDEX log_unsealed ON log (first, n) WHERE first IS NULL;
CREATE INDEX log_by_time ON log (at, n);

-- How far the log is sealed: one row.
CREATE TABLE log_head (
    id     INTEGER  NOT NULL PRIMARY KEY CHECK (id = 1),
    size   BIGINT   NOT NULL CHECK (size >= 0),
    root   BYTEA    NOT NULL CHECK (length(root) = 32),
    at     BIGINT   NOT NULL,
    sealer UUID     NOT NULL
);

-- The hashes of the tree, 256 side by side. The tile at the right end grows.
CREATE TABLE log_tiles (
    level  INTEGER  NOT NULL CHECK (level >= 0),
    n      BIGINT   NOT NULL CHECK (n >= 0),
    hashes BYTEA    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, n)
);

ALTER TABLE log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE checkpoints (
    size BIGINT NOT NULL PRIMARY KEY CHECK (size > 0),
    at   BIGINT NOT NULL,
    note TEXT   NOT NULL -- signed
);

CREATE INDEX checkpoints_by_time ON checkpoints (at, size);

-- What witnesses signed; the latest of each counts.
CREATE TABLE cosignatures (
    size    BIGINT NOT NULL CHECK (size > 0), -- of the checkpoint
    witness TEXT COLLATE "C" NOT NULL,
    line    TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (size, witness)
);

-- Who looked at the book.
CREATE TABLE accesses (
    id      UUID    NOT NULL PRIMARY KEY,
    who     TEXT    NOT NULL,
    role    TEXT,
    what    TEXT    NOT NULL,
    subject TEXT,
    denied  BOOLEAN NOT NULL,
    reason  TEXT,
    times   BIGINT  NOT NULL CHECK (times > 0),
    at      BIGINT  NOT NULL
);

-- The keys of persons' data, encrypted. To delete one is to erase the person.
CREATE TABLE persons (
    party   UUID  NOT NULL PRIMARY KEY,
    wrapped BYTEA NOT NULL
);

CREATE TABLE erasures (
    party     UUID   NOT NULL PRIMARY KEY,
    erased_by TEXT,
    at        BIGINT NOT NULL
);

-- Secrets of the book itself, encrypted by a key that is not in it.
CREATE TABLE secrets (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    public     TEXT,
    wrapped    BYTEA  NOT NULL,
    created    BIGINT NOT NULL,
    until_time BIGINT NOT NULL -- of no use from then on; 0: not known yet
);

-- A row of the log gets its place once, and nothing else of it changes; tiles and the
-- head only grow. All but the keys of persons is kept, whoever asks.
CREATE TRIGGER log_refuse BEFORE UPDATE OF n, at, leaves, data OR DELETE OR TRUNCATE ON log FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER log_place_refuse BEFORE UPDATE ON log FOR EACH ROW WHEN (OLD.first IS NOT NULL OR NEW.first IS NULL) EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER log_head_refuse BEFORE DELETE OR TRUNCATE ON log_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER log_head_back_refuse BEFORE UPDATE ON log_head FOR EACH ROW WHEN (NEW.size < OLD.size OR NEW.at < OLD.at) EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER log_tiles_refuse BEFORE UPDATE OF level, n OR DELETE OR TRUNCATE ON log_tiles FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER log_tiles_grow_refuse BEFORE UPDATE ON log_tiles FOR EACH ROW WHEN (substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes) EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER checkpoints_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER cosignatures_refuse BEFORE DELETE OR TRUNCATE ON cosignatures FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER accesses_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON accesses FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER erasures_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON erasures FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER secrets_refuse BEFORE UPDATE OF name, public, created OR DELETE OR TRUNCATE ON secrets FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER persons_refuse BEFORE TRUNCATE ON persons FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
