-- What banks and the switch say, what came of comparing it with the book, and
-- settlement. Where a break, a line or a correction belongs to no transfer, the
-- transfer is zeros, so that a range of transfers finds it. Days are counted from 1970.

-- +goose Up

-- What all files together say of a movement. Some columns only grow: what a file
-- leaves out is empty, and two texts for one column leave the greater. It is
-- read by transfer, and told again by its key, which is a hash.
CREATE TABLE lines (
    source    SMALLINT NOT NULL CHECK (source BETWEEN 1 AND 2), -- bank, switch
    bank      TEXT     NOT NULL,
    key       UUID     NOT NULL,
    n         INTEGER  NOT NULL CHECK (n > 0), -- among those of one key in a statement
    day       INTEGER  NOT NULL,
    amount    BIGINT   NOT NULL CHECK (amount >= 0),
    currency  TEXT     NOT NULL,
    debit     BOOLEAN  NOT NULL, -- out of the customer's account
    reversal  BOOLEAN  NOT NULL,
    moved     BOOLEAN  NOT NULL,
    keyed_by  SMALLINT NOT NULL CHECK (keyed_by BETWEEN 1 AND 4), -- RRN, name, reference, account
    transfer  UUID     NOT NULL, -- grows, as all below
    name      TEXT     NOT NULL,
    rrn       TEXT     NOT NULL,
    code      TEXT     NOT NULL,
    reference TEXT     NOT NULL,
    account   TEXT     NOT NULL,
    transfers INTEGER  NOT NULL CHECK (transfers >= 0), -- that are in it
    PRIMARY KEY (source, bank, key, n)
);

CREATE INDEX lines_by_transfer ON lines (transfer, source, bank, key, n) USING HASH;

CREATE TABLE statements (
    file       BYTEA    NOT NULL CHECK (length(file) = 32),
    n          INTEGER  NOT NULL CHECK (n > 0), -- its place in the file
    source     SMALLINT NOT NULL CHECK (source BETWEEN 1 AND 2),
    bank       TEXT     NOT NULL,
    name       TEXT,
    account    TEXT,
    format     TEXT,
    currency   TEXT,
    day        INTEGER  NOT NULL,
    lines      INTEGER  NOT NULL CHECK (lines >= 0),
    credits    BIGINT   NOT NULL CHECK (credits >= 0),
    debits     BIGINT   NOT NULL CHECK (debits >= 0),
    closing    BIGINT, -- balance, where the file says it
    brought_by TEXT,
    at         BIGINT   NOT NULL,
    PRIMARY KEY (file, n)
);

CREATE INDEX statements_by_time ON statements (at, file, n) USING HASH;

-- Who has told all of which day.
CREATE TABLE coverage (
    day    INTEGER  NOT NULL,
    source SMALLINT NOT NULL CHECK (source BETWEEN 1 AND 2),
    bank   TEXT     NOT NULL,
    PRIMARY KEY (day, source, bank) USING HASH
);

-- Which lines tell of which leg.
CREATE TABLE matches (
    transfer UUID     NOT NULL,
    leg      SMALLINT NOT NULL CHECK (leg BETWEEN 1 AND 4),
    source   SMALLINT NOT NULL CHECK (source BETWEEN 1 AND 2),
    bank     TEXT     NOT NULL,
    key      UUID     NOT NULL,
    n        INTEGER  NOT NULL CHECK (n > 0),
    -- id with RRN, date and amount; id with date and amount; RRN with date and amount; id and amount; cancelled; batch
    rule     SMALLINT NOT NULL CHECK (rule BETWEEN 1 AND 6),
    PRIMARY KEY (transfer, leg, source, bank, key, n) USING HASH
);

CREATE TABLE runs (
    n          BIGINT  NOT NULL PRIMARY KEY CHECK (n > 0),
    superseded BOOLEAN NOT NULL,
    from_day   INTEGER NOT NULL,
    until_day  INTEGER NOT NULL,
    lines      BIGINT  NOT NULL CHECK (lines >= 0),
    legs       BIGINT  NOT NULL CHECK (legs >= 0),
    matched    BIGINT  NOT NULL CHECK (matched >= 0),
    breaks     BIGINT  NOT NULL CHECK (breaks >= 0),
    started_by TEXT,
    began      BIGINT  NOT NULL,
    ended      BIGINT  NOT NULL -- 0: goes on, or never did
);

CREATE TABLE breaks (
    id          UUID     NOT NULL PRIMARY KEY, -- a hash of class and subject, which therefore never change
    -- not in book, not at bank, amount differs, duplicate, late, contradiction, unknown account, hanging, in doubt,
    -- not at switch, only at switch, settlement differs
    class       SMALLINT NOT NULL CHECK (class BETWEEN 1 AND 13),
    transfer    UUID     NOT NULL,
    leg         SMALLINT NOT NULL CHECK (leg BETWEEN 0 AND 4),
    line_source SMALLINT CHECK (line_source BETWEEN 1 AND 2),
    line_bank   TEXT,
    line_key    UUID,
    line_n      INTEGER CHECK (line_n > 0),
    window_id   TEXT,
    bank        TEXT     NOT NULL,
    currency    TEXT     NOT NULL,
    day         INTEGER  NOT NULL,
    ours        BIGINT   NOT NULL, -- what moved by our book
    theirs      BIGINT   NOT NULL, -- and by the bank
    bank_says   SMALLINT NOT NULL CHECK (bank_says BETWEEN 0 AND 2), -- nothing, no, yes
    switch_says SMALLINT NOT NULL CHECK (switch_says BETWEEN 0 AND 2),
    book_says   SMALLINT NOT NULL CHECK (book_says BETWEEN 0 AND 2),
    steps       INTEGER  NOT NULL CHECK (steps >= 0),
    state       SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 2), -- open, closed
    resolution  SMALLINT CHECK (resolution BETWEEN 1 AND 3),     -- agreed, corrected, dismissed
    owner       TEXT,
    opened      BIGINT   NOT NULL,
    updated     BIGINT   NOT NULL,
    deadline    BIGINT   NOT NULL,
    notes       INTEGER  NOT NULL CHECK (notes >= 0),
    tries       INTEGER  NOT NULL CHECK (tries >= 0), -- corrections that were proposed
    CONSTRAINT closed_break CHECK ((state = 2) = (resolution IS NOT NULL))
);

CREATE INDEX breaks_by_deadline ON breaks (deadline, id) USING HASH;
CREATE INDEX breaks_by_state ON breaks (state, deadline, id) USING HASH;
CREATE INDEX breaks_by_transfer ON breaks (transfer, id) USING HASH;
CREATE INDEX breaks_by_class ON breaks (class, state, deadline, id) USING HASH; -- they are also counted

CREATE TABLE break_notes (
    break_id UUID     NOT NULL,
    n        INTEGER  NOT NULL CHECK (n > 0),
    -- opened, changed, assigned, commented, proposed, approved, applied, withdrawn, closed, reopened
    what     SMALLINT NOT NULL CHECK (what BETWEEN 1 AND 10),
    author   TEXT,
    note     TEXT,
    at       BIGINT   NOT NULL,
    PRIMARY KEY (break_id, n)
);

CREATE TABLE corrections (
    id              UUID     NOT NULL PRIMARY KEY,
    break_id        UUID     NOT NULL,
    transfer        UUID     NOT NULL,
    leg             SMALLINT NOT NULL CHECK (leg BETWEEN 0 AND 4),
    bank            TEXT     NOT NULL,
    -- confirm credit, return to payer, reverse debit, confirm failed; to suspense, refund payer, credit later, return later
    action          SMALLINT NOT NULL CHECK (action BETWEEN 1 AND 9),
    currency        TEXT     NOT NULL,
    difference      BIGINT   NOT NULL,
    state           SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4), -- proposed, approved, applied, withdrawn
    payout          UUID,
    override_reason TEXT,
    proposed_by     TEXT,
    approved_by     TEXT,
    applied_by      TEXT,
    created         BIGINT   NOT NULL,
    updated         BIGINT   NOT NULL
);

CREATE INDEX corrections_by_break ON corrections (break_id, created, id);
CREATE INDEX corrections_by_transfer ON corrections (transfer, id) USING HASH;

-- A window is closed when it is made. Which postings belong to it, its cuts say.
CREATE TABLE windows (
    id         TEXT     NOT NULL PRIMARY KEY,
    scheme     TEXT     NOT NULL,
    kind       SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 2), -- transfers, disputes
    day        INTEGER  NOT NULL,
    n          INTEGER  NOT NULL CHECK (n > 0),
    from_time  BIGINT   NOT NULL,
    until_time BIGINT   NOT NULL,
    closed_by  TEXT,
    closed     BIGINT   NOT NULL
);

CREATE INDEX windows_by_scheme ON windows (scheme, id);

CREATE TABLE window_cuts (
    window_id TEXT    NOT NULL,
    place     INTEGER NOT NULL CHECK (place > 0),
    account   UUID    NOT NULL,
    after     BIGINT  NOT NULL CHECK (after >= 0),
    up_to     BIGINT  NOT NULL,
    PRIMARY KEY (window_id, place),
    CHECK (up_to >= after)
);

CREATE TABLE positions (
    id             UUID     NOT NULL PRIMARY KEY,
    window_id      TEXT     NOT NULL,
    bank           TEXT     NOT NULL, -- empty: Bahi itself
    currency       TEXT     NOT NULL,
    remitted       BIGINT   NOT NULL CHECK (remitted >= 0), -- number of transfers
    remitted_minor BIGINT   NOT NULL CHECK (remitted_minor >= 0),
    received       BIGINT   NOT NULL CHECK (received >= 0),
    received_minor BIGINT   NOT NULL CHECK (received_minor >= 0),
    fees           BIGINT   NOT NULL CHECK (fees >= 0),
    state          SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 3), -- open, confirmed, failed
    ref            TEXT,
    confirmed_by   TEXT,
    updated        BIGINT   NOT NULL,
    UNIQUE (window_id, currency, bank)
);

-- What was told and what was done is kept, whoever asks.
-- +goose StatementBegin
CREATE FUNCTION refuse_to_forget() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was told and what was done is kept';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER statements_refuse BEFORE UPDATE OR DELETE ON statements FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER coverage_refuse BEFORE UPDATE OR DELETE ON coverage FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER break_notes_refuse BEFORE UPDATE OR DELETE ON break_notes FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER windows_refuse BEFORE UPDATE OR DELETE ON windows FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER window_cuts_refuse BEFORE UPDATE OR DELETE ON window_cuts FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER lines_refuse BEFORE DELETE ON lines FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER runs_refuse BEFORE DELETE ON runs FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER breaks_refuse BEFORE DELETE ON breaks FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER corrections_refuse BEFORE DELETE ON corrections FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER positions_refuse BEFORE DELETE ON positions FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
