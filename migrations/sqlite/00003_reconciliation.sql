-- What banks and the switch say, what came of comparing it with the book, and
-- settlement. Where a break, a line or a correction belongs to no transfer, the
-- transfer is zeros, so that a range of transfers finds it. Days are counted from 1970.

-- +goose Up

-- What all files together say of a movement. Some columns only grow: what a file
-- leaves out is empty, and two texts for one column leave the greater. Keyed by
-- transfer, as they are read; the other index finds those that are told again.
CREATE TABLE lines (
    source    INTEGER NOT NULL CHECK (source BETWEEN 1 AND 2), -- bank, switch
    bank      TEXT    NOT NULL,
    key       BLOB    NOT NULL CHECK (length(key) = 16),
    n         INTEGER NOT NULL CHECK (n > 0), -- among those of one key in a statement
    day       INTEGER NOT NULL,
    amount    INTEGER NOT NULL CHECK (amount >= 0),
    currency  TEXT    NOT NULL,
    debit     INTEGER NOT NULL CHECK (debit IN (0, 1)), -- out of the customer's account
    reversal  INTEGER NOT NULL CHECK (reversal IN (0, 1)),
    moved     INTEGER NOT NULL CHECK (moved IN (0, 1)),
    keyed_by  INTEGER NOT NULL CHECK (keyed_by BETWEEN 1 AND 4), -- RRN, name, reference, account
    transfer  BLOB    NOT NULL CHECK (length(transfer) = 16), -- grows, as all below
    name      TEXT    NOT NULL,
    rrn       TEXT    NOT NULL,
    code      TEXT    NOT NULL,
    reference TEXT    NOT NULL,
    account   TEXT    NOT NULL,
    transfers INTEGER NOT NULL CHECK (transfers >= 0), -- that are in it
    PRIMARY KEY (transfer, source, bank, key, n)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX lines_by_key ON lines (source, bank, key, n);

CREATE TABLE statements (
    file       BLOB    NOT NULL CHECK (length(file) = 32),
    n          INTEGER NOT NULL CHECK (n > 0), -- its place in the file
    source     INTEGER NOT NULL CHECK (source BETWEEN 1 AND 2),
    bank       TEXT    NOT NULL,
    name       TEXT,
    account    TEXT,
    format     TEXT,
    currency   TEXT,
    day        INTEGER NOT NULL,
    lines      INTEGER NOT NULL CHECK (lines >= 0),
    credits    INTEGER NOT NULL CHECK (credits >= 0),
    debits     INTEGER NOT NULL CHECK (debits >= 0),
    closing    INTEGER, -- balance, where the file says it
    brought_by TEXT,
    at         INTEGER NOT NULL,
    PRIMARY KEY (file, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX statements_by_time ON statements (at, file, n);

-- Who has told all of which day.
CREATE TABLE coverage (
    day    INTEGER NOT NULL,
    source INTEGER NOT NULL CHECK (source BETWEEN 1 AND 2),
    bank   TEXT    NOT NULL,
    PRIMARY KEY (day, source, bank)
) STRICT, WITHOUT ROWID;

-- Which lines tell of which leg.
CREATE TABLE matches (
    transfer BLOB    NOT NULL CHECK (length(transfer) = 16),
    leg      INTEGER NOT NULL CHECK (leg BETWEEN 1 AND 4),
    source   INTEGER NOT NULL CHECK (source BETWEEN 1 AND 2),
    bank     TEXT    NOT NULL,
    key      BLOB    NOT NULL CHECK (length(key) = 16),
    n        INTEGER NOT NULL CHECK (n > 0),
    -- id with RRN, date and amount; id with date and amount; RRN with date and amount; id and amount; cancelled; batch
    rule     INTEGER NOT NULL CHECK (rule BETWEEN 1 AND 6),
    PRIMARY KEY (transfer, leg, source, bank, key, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    n          INTEGER NOT NULL PRIMARY KEY CHECK (n > 0),
    superseded INTEGER NOT NULL CHECK (superseded IN (0, 1)),
    from_day   INTEGER NOT NULL,
    until_day  INTEGER NOT NULL,
    lines      INTEGER NOT NULL CHECK (lines >= 0),
    legs       INTEGER NOT NULL CHECK (legs >= 0),
    matched    INTEGER NOT NULL CHECK (matched >= 0),
    breaks     INTEGER NOT NULL CHECK (breaks >= 0),
    started_by TEXT,
    began      INTEGER NOT NULL,
    ended      INTEGER NOT NULL -- 0: goes on, or never did
) STRICT, WITHOUT ROWID;

CREATE TABLE breaks (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- a hash of class and subject, which therefore never change
    -- not in book, not at bank, amount differs, duplicate, late, contradiction, unknown account, hanging, in doubt,
    -- not at switch, only at switch, settlement differs
    class       INTEGER NOT NULL CHECK (class BETWEEN 1 AND 13),
    transfer    BLOB    NOT NULL CHECK (length(transfer) = 16),
    leg         INTEGER NOT NULL CHECK (leg BETWEEN 0 AND 4),
    line_source INTEGER CHECK (line_source BETWEEN 1 AND 2),
    line_bank   TEXT,
    line_key    BLOB CHECK (length(line_key) = 16),
    line_n      INTEGER CHECK (line_n > 0),
    window_id   TEXT,
    bank        TEXT    NOT NULL,
    currency    TEXT    NOT NULL,
    day         INTEGER NOT NULL,
    ours        INTEGER NOT NULL, -- what moved by our book
    theirs      INTEGER NOT NULL, -- and by the bank
    bank_says   INTEGER NOT NULL CHECK (bank_says BETWEEN 0 AND 2), -- nothing, no, yes
    switch_says INTEGER NOT NULL CHECK (switch_says BETWEEN 0 AND 2),
    book_says   INTEGER NOT NULL CHECK (book_says BETWEEN 0 AND 2),
    steps       INTEGER NOT NULL CHECK (steps >= 0),
    state       INTEGER NOT NULL CHECK (state BETWEEN 1 AND 2), -- open, closed
    resolution  INTEGER CHECK (resolution BETWEEN 1 AND 3),     -- agreed, corrected, dismissed
    owner       TEXT,
    opened      INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    deadline    INTEGER NOT NULL,
    notes       INTEGER NOT NULL CHECK (notes >= 0),
    tries       INTEGER NOT NULL CHECK (tries >= 0), -- corrections that were proposed
    CONSTRAINT closed_break CHECK ((state = 2) = (resolution IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX breaks_by_deadline ON breaks (deadline, id);
CREATE INDEX breaks_by_state ON breaks (state, deadline, id);
CREATE INDEX breaks_by_transfer ON breaks (transfer, id);
CREATE INDEX breaks_by_class ON breaks (class, state, deadline, id); -- they are also counted

CREATE TABLE break_notes (
    break_id BLOB    NOT NULL CHECK (length(break_id) = 16),
    n        INTEGER NOT NULL CHECK (n > 0),
    -- opened, changed, assigned, commented, proposed, approved, applied, withdrawn, closed, reopened
    what     INTEGER NOT NULL CHECK (what BETWEEN 1 AND 10),
    author   TEXT,
    note     TEXT,
    at       INTEGER NOT NULL,
    PRIMARY KEY (break_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE corrections (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    break_id        BLOB    NOT NULL CHECK (length(break_id) = 16),
    transfer        BLOB    NOT NULL CHECK (length(transfer) = 16),
    leg             INTEGER NOT NULL CHECK (leg BETWEEN 0 AND 4),
    bank            TEXT    NOT NULL,
    -- confirm credit, return to payer, reverse debit, confirm failed; to suspense, refund payer, credit later, return later
    action          INTEGER NOT NULL CHECK (action BETWEEN 1 AND 9),
    currency        TEXT    NOT NULL,
    difference      INTEGER NOT NULL,
    state           INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4), -- proposed, approved, applied, withdrawn
    payout          BLOB CHECK (length(payout) = 16),
    override_reason TEXT,
    proposed_by     TEXT,
    approved_by     TEXT,
    applied_by      TEXT,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX corrections_by_break ON corrections (break_id, created, id);
CREATE INDEX corrections_by_transfer ON corrections (transfer, id);

-- A window is closed when it is made. Which postings belong to it, its cuts say.
CREATE TABLE windows (
    id         TEXT    NOT NULL PRIMARY KEY,
    scheme     TEXT    NOT NULL,
    kind       INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 2), -- transfers, disputes
    day        INTEGER NOT NULL,
    n          INTEGER NOT NULL CHECK (n > 0),
    from_time  INTEGER NOT NULL,
    until_time INTEGER NOT NULL,
    closed_by  TEXT,
    closed     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX windows_by_scheme ON windows (scheme, id);

CREATE TABLE window_cuts (
    window_id TEXT    NOT NULL,
    place     INTEGER NOT NULL CHECK (place > 0),
    account   BLOB    NOT NULL CHECK (length(account) = 16),
    after     INTEGER NOT NULL CHECK (after >= 0),
    up_to     INTEGER NOT NULL,
    PRIMARY KEY (window_id, place),
    CHECK (up_to >= after)
) STRICT, WITHOUT ROWID;

CREATE TABLE positions (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    window_id      TEXT    NOT NULL,
    bank           TEXT    NOT NULL, -- empty: Bahi itself
    currency       TEXT    NOT NULL,
    remitted       INTEGER NOT NULL CHECK (remitted >= 0), -- number of transfers
    remitted_minor INTEGER NOT NULL CHECK (remitted_minor >= 0),
    received       INTEGER NOT NULL CHECK (received >= 0),
    received_minor INTEGER NOT NULL CHECK (received_minor >= 0),
    fees           INTEGER NOT NULL CHECK (fees >= 0),
    state          INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3), -- open, confirmed, failed
    ref            TEXT,
    confirmed_by   TEXT,
    updated        INTEGER NOT NULL,
    UNIQUE (window_id, currency, bank)
) STRICT, WITHOUT ROWID;

-- What was told and what was done is kept, whoever asks.

-- +goose StatementBegin
CREATE TRIGGER statements_refuse_update BEFORE UPDATE ON statements
BEGIN SELECT RAISE(ABORT, 'what was brought is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER statements_refuse_delete BEFORE DELETE ON statements
BEGIN SELECT RAISE(ABORT, 'what was brought is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER coverage_refuse_update BEFORE UPDATE ON coverage
BEGIN SELECT RAISE(ABORT, 'what was told is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER coverage_refuse_delete BEFORE DELETE ON coverage
BEGIN SELECT RAISE(ABORT, 'what was told is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER break_notes_refuse_update BEFORE UPDATE ON break_notes
BEGIN SELECT RAISE(ABORT, 'the history of a break is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER break_notes_refuse_delete BEFORE DELETE ON break_notes
BEGIN SELECT RAISE(ABORT, 'the history of a break is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER windows_refuse_update BEFORE UPDATE ON windows
BEGIN SELECT RAISE(ABORT, 'a window is closed for good'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER windows_refuse_delete BEFORE DELETE ON windows
BEGIN SELECT RAISE(ABORT, 'a window is closed for good'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER window_cuts_refuse_update BEFORE UPDATE ON window_cuts
BEGIN SELECT RAISE(ABORT, 'a window is closed for good'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER window_cuts_refuse_delete BEFORE DELETE ON window_cuts
BEGIN SELECT RAISE(ABORT, 'a window is closed for good'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER lines_refuse_delete BEFORE DELETE ON lines
BEGIN SELECT RAISE(ABORT, 'what was told is kept: a break about it may be dismissed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER runs_refuse_delete BEFORE DELETE ON runs
BEGIN SELECT RAISE(ABORT, 'a run is kept'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER breaks_refuse_delete BEFORE DELETE ON breaks
BEGIN SELECT RAISE(ABORT, 'a break is kept: it may be closed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER corrections_refuse_delete BEFORE DELETE ON corrections
BEGIN SELECT RAISE(ABORT, 'a correction is kept: it may be withdrawn'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER positions_refuse_delete BEFORE DELETE ON positions
BEGIN SELECT RAISE(ABORT, 'a position is kept'); END;
-- +goose StatementEnd
