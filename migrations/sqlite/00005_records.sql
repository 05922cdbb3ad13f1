-- What is remembered beside the money: requests, red packets, schedules, limits. And what
-- apps are told of.

-- +goose Up

CREATE TABLE records (
    kind         INTEGER NOT NULL CHECK (kind > 0), -- a number that package ledger gives it
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    app          TEXT,
    owner        BLOB CHECK (length(owner) = 16), -- the party whose key encrypts
    parent       BLOB CHECK (length(parent) = 16), -- the record it belongs to
    conversation TEXT,
    state        INTEGER CHECK (state > 0),
    due          INTEGER, -- when something is to be done about it
    body         TEXT    NOT NULL, -- JSON; never what a person can be known by
    sealed       BLOB, -- what persons wrote, encrypted
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- The lists of records, each from the newest, and what falls due.
CREATE INDEX records_by_app ON records (app, kind, id) WHERE app IS NOT NULL;
CREATE INDEX records_by_parent ON records (parent, kind, id) WHERE parent IS NOT NULL;
CREATE INDEX records_by_conversation ON records (conversation, kind, id) WHERE conversation IS NOT NULL;
CREATE INDEX records_due ON records (due, kind, id) WHERE due IS NOT NULL;

-- Who finds a record in a list.
CREATE TABLE record_parties (
    party BLOB    NOT NULL CHECK (length(party) = 16),
    kind  INTEGER NOT NULL CHECK (kind > 0),
    id    BLOB    NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (party, kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_parties_of ON record_parties (kind, id);

-- What apps are still to be told of, each row of one commit. Rows go when what is in them
-- has its numbers; no n is given twice.
CREATE TABLE outbox (
    n    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    data BLOB    NOT NULL
) STRICT;

-- What apps were told of, in order and without gaps.
CREATE TABLE streams (
    app   TEXT    NOT NULL,
    last  INTEGER NOT NULL CHECK (last >= first), -- the numbers of the last and the first in the row
    first INTEGER NOT NULL CHECK (first > 0),
    data  BLOB    NOT NULL,
    PRIMARY KEY (app, last)
) STRICT;

-- What an app was told is not taken back.

-- +goose StatementBegin
CREATE TRIGGER streams_refuse_update BEFORE UPDATE ON streams
BEGIN SELECT RAISE(ABORT, 'what an app was told is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER streams_refuse_delete BEFORE DELETE ON streams
BEGIN SELECT RAISE(ABORT, 'what an app was told is kept'); END;
-- +goose StatementEnd
