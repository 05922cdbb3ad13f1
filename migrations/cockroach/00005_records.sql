-- What is remembered beside the money: requests, red packets, schedules, limits. And what
-- apps are told of.

-- +goose Up

CREATE TABLE records (
    kind         SMALLINT NOT NULL CHECK (kind > 0), -- a number that package ledger gives it
    id           UUID     NOT NULL,
    app          TEXT,
    owner        UUID, -- the party whose key encrypts
    parent       UUID, -- the record it belongs to
    conversation TEXT,
    state        SMALLINT CHECK (state > 0),
    due          BIGINT, -- when something is to be done about it
    body         TEXT     NOT NULL, -- JSON; never what a person can be known by
    sealed       BYTEA, -- what persons wrote, encrypted
    created      BIGINT   NOT NULL,
    updated      BIGINT   NOT NULL,
    PRIMARY KEY (kind, id) USING HASH
);

-- The lists of records, each from the newest, and what falls due.
CREATE INDEX records_by_app ON records (app, kind, id) USING HASH WHERE app IS NOT NULL;
CREATE INDEX records_by_parent ON records (parent, kind, id) USING HASH WHERE parent IS NOT NULL;
CREATE INDEX records_by_conversation ON records (conversation, kind, id) USING HASH WHERE conversation IS NOT NULL;
CREATE INDEX records_due ON records (due, kind, id) USING HASH WHERE due IS NOT NULL;

-- Who finds a record in a list.
CREATE TABLE record_parties (
    party UUID     NOT NULL,
    kind  SMALLINT NOT NULL CHECK (kind > 0),
    id    UUID     NOT NULL,
    PRIMARY KEY (party, kind, id) USING HASH
);

CREATE INDEX record_parties_of ON record_parties (kind, id) USING HASH;

-- Its numbers are taken behind all locks of a batch, as those of the log are.
CREATE SEQUENCE outbox_n;

-- What apps are still to be told of, each row of one commit. Rows go when what is in them
-- has its numbers; no n is given twice.
CREATE TABLE outbox (
    n    BIGINT NOT NULL DEFAULT nextval('outbox_n'),
    data BYTEA  NOT NULL,
    PRIMARY KEY (n) USING HASH
);

-- What apps were told of, in order and without gaps.
CREATE TABLE streams (
    app   TEXT   NOT NULL,
    last  BIGINT NOT NULL CHECK (last >= first), -- the numbers of the last and the first in the row
    first BIGINT NOT NULL CHECK (first > 0),
    data  BYTEA  NOT NULL,
    PRIMARY KEY (app, last) USING HASH
);

-- What an app was told is not taken back.
CREATE TRIGGER streams_refuse BEFORE UPDATE OR DELETE ON streams FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
