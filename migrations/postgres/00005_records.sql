-- What is remembered beside the money: requests, red packets, schedules, limits. And what
-- apps are told of.

-- +goose Up

-- Much of it changes often: a row that is changed stays in its page, and in its indexes as it was.
CREATE TABLE records (
    kind         SMALLINT NOT NULL CHECK (kind > 0), -- a number that package ledger gives it
    id           UUID     NOT NULL,
    app          TEXT COLLATE "C",
    owner        UUID, -- the party whose key encrypts
    parent       UUID, -- the record it belongs to
    conversation TEXT COLLATE "C",
    state        SMALLINT CHECK (state > 0),
    due          BIGINT, -- when something is to be done about it
    body         TEXT     NOT NULL, -- JSON; never what a person can be known by
    sealed       BYTEA, -- what persons wrote, encrypted
    created      BIGINT   NOT NULL,
    updated      BIGINT   NOT NULL,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 80);

-- The lists of records, each from the newest, and what falls due.
CREATE INDEX records_by_app ON records (app, kind, id) WHERE app IS NOT NULL;
CREATE INDEX records_by_parent ON records (parent, kind, id) WHERE parent IS NOT NULL;
CREATE INDEX records_by_conversation ON records (conversation, kind, id) WHERE conversation IS NOT NULL;
CREATE INDEX records_due ON records (due, kind, id) WHERE due IS NOT NULL;

-- Who finds a record in a list.
CREATE TABLE record_parties (
    party UUID     NOT NULL,
    kind  SMALLINT NOT NULL CHECK (kind > 0),
    id    UUID     NOT NULL,
    PRIMARY KEY (party, kind, id)
);

CREATE INDEX record_parties_of ON record_parties (kind, id);

-- Its numbers are taken behind all locks of a batch, as those of the log are.
CREATE SEQUENCE outbox_n;

-- What apps are still to be told of, each row of one commit. Rows go when what is in them
-- has its numbers; no n is given twice.
CREATE TABLE outbox (
    n    BIGINT NOT NULL DEFAULT nextval('outbox_n') PRIMARY KEY,
    data BYTEA  NOT NULL
);

-- What apps were told of, in order and without gaps.
CREATE TABLE streams (
    app   TEXT COLLATE "C" NOT NULL,
    last  BIGINT NOT NULL CHECK (last >= first), -- the numbers of the last and the first in the row
    first BIGINT NOT NULL CHECK (first > 0),
    data  BYTEA  NOT NULL,
    PRIMARY KEY (app, last)
);

-- What an app was told is not taken back.
CREATE TRIGGER streams_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON streams FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
