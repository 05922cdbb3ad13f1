-- The book. Ids are 16 bytes; times are Unix microseconds; money is an integer
-- of the currency's minor unit; small enumerations bear the numbers that package
-- ledger gives them. What is absent is NULL, and in no index.

-- +goose Up

CREATE TABLE accounts (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    path     TEXT    NOT NULL,
    currency TEXT    NOT NULL,
    type     INTEGER NOT NULL CHECK (type BETWEEN 1 AND 5), -- asset, liability, equity, income, expense
    bounded  INTEGER NOT NULL CHECK (bounded IN (0, 1)),
    frozen   INTEGER NOT NULL CHECK (frozen IN (0, 1)),
    debits   INTEGER NOT NULL CHECK (debits >= 0),
    credits  INTEGER NOT NULL CHECK (credits >= 0),
    seq      INTEGER NOT NULL CHECK (seq >= 0),
    reserved INTEGER NOT NULL, -- of a clearing account: what its bank is asked for
    posted   INTEGER NOT NULL, -- when it was posted to last
    created  INTEGER NOT NULL,
    UNIQUE (path, currency),
    CONSTRAINT bounded_account CHECK (bounded = 0 OR CASE WHEN type IN (1, 5) THEN debits >= credits ELSE credits >= debits END)
) STRICT, WITHOUT ROWID;

CREATE TABLE transfers (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    app              TEXT    NOT NULL,
    kind             INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5), -- payment, top-up, withdrawal, payout, refund
    payer_party      BLOB CHECK (length(payer_party) = 16),
    payer_instrument BLOB CHECK (length(payer_instrument) = 16),
    payer_bank       TEXT,
    payer_ifsc       TEXT,
    payer_sealed     BLOB, -- name, account and UPI id, with the note and the metadata, encrypted
    payer_mark       BLOB CHECK (length(payer_mark) = 32), -- a salted hash of them
    payee_party      BLOB CHECK (length(payee_party) = 16),
    payee_instrument BLOB CHECK (length(payee_instrument) = 16),
    payee_bank       TEXT,
    payee_ifsc       TEXT,
    payee_sealed     BLOB,
    payee_mark       BLOB CHECK (length(payee_mark) = 32),
    amount           INTEGER NOT NULL CHECK (amount > 0),
    currency         TEXT    NOT NULL,
    conversation     TEXT,
    message          TEXT,
    rrn              TEXT,
    created          INTEGER NOT NULL,
    cause_kind       INTEGER CHECK (cause_kind > 0), -- the record by which it was made
    cause_id         BLOB CHECK (length(cause_id) = 16),
    until_time       INTEGER, -- when the payee of a held one is paid, or when a limit would let a refused one through
    -- where its first commit left it: pending, debited, completed, failed or held; what follows stands in steps
    state            INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4 OR state = 10),
    reason           TEXT
) STRICT, WITHOUT ROWID;

-- The lists of transfers, each from the newest.
CREATE INDEX transfers_by_app ON transfers (app, id);
CREATE INDEX transfers_by_conversation ON transfers (conversation, id) WHERE conversation IS NOT NULL;
CREATE INDEX transfers_by_payer ON transfers (payer_party, id) WHERE payer_party IS NOT NULL;
CREATE INDEX transfers_by_payee ON transfers (payee_party, id) WHERE payee_party IS NOT NULL;
CREATE INDEX transfers_born_failed ON transfers (id) WHERE state = 4;

CREATE TABLE instructions (
    transfer BLOB    NOT NULL CHECK (length(transfer) = 16),
    leg      INTEGER NOT NULL CHECK (leg BETWEEN 1 AND 4), -- debit, credit, debit reversal, credit reversal
    bank     TEXT    NOT NULL,
    node     BLOB    NOT NULL CHECK (length(node) = 16), -- which drives it; zeros: none
    -- queued, sent, in doubt (these are open); approved, declined, not done, stands, silent, dropped
    state    INTEGER NOT NULL CHECK (state BETWEEN 1 AND 9),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    due      INTEGER NOT NULL,
    code     TEXT,
    ref      TEXT,
    created  INTEGER NOT NULL,
    updated  INTEGER NOT NULL,
    PRIMARY KEY (transfer, leg)
) STRICT, WITHOUT ROWID;

CREATE INDEX instructions_due ON instructions (node, due) WHERE state IN (1, 2, 3);

CREATE TABLE steps (
    transfer  BLOB    NOT NULL CHECK (length(transfer) = 16),
    n         INTEGER NOT NULL CHECK (n > 0),
    state     INTEGER NOT NULL CHECK (state BETWEEN 1 AND 10),
    reason    TEXT,
    bank_code TEXT,
    at        INTEGER NOT NULL,
    deadline  INTEGER, -- of a state in doubt: when it must be decided
    PRIMARY KEY (transfer, n)
) STRICT, WITHOUT ROWID;

-- Who was ever failed, cancelled, reversed, deemed or unresolved after its beginning. Those
-- that wait for a bank have an open instruction, those that are held a record; nearly all
-- others are completed.
CREATE INDEX steps_by_state ON steps (state, transfer) WHERE state NOT IN (1, 2, 3, 6, 10);

-- The primary key refuses to post a leg twice; the two unique indexes are each
-- account's statement and refuse two postings at one place of it.
CREATE TABLE postings (
    entry          BLOB    NOT NULL CHECK (length(entry) = 16),
    event          INTEGER NOT NULL CHECK (event BETWEEN 1 AND 8), -- the four legs; wallet to wallet; adjustment, settlement, fee
    undoes         INTEGER CHECK (undoes BETWEEN 1 AND 2),         -- the event of the same transfer that it takes back
    debit          BLOB    NOT NULL CHECK (length(debit) = 16),
    credit         BLOB    NOT NULL CHECK (length(credit) = 16),
    amount         INTEGER NOT NULL CHECK (amount > 0),
    currency       TEXT    NOT NULL,
    debit_seq      INTEGER NOT NULL CHECK (debit_seq > 0),
    credit_seq     INTEGER NOT NULL CHECK (credit_seq > 0),
    debit_balance  INTEGER NOT NULL,
    credit_balance INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    PRIMARY KEY (entry, event),
    CHECK (debit <> credit)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX postings_by_debit ON postings (debit, debit_seq);
CREATE UNIQUE INDEX postings_by_credit ON postings (credit, credit_seq);

-- The processes that serve the book; what is gone never comes back.
CREATE TABLE nodes (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    beat    INTEGER NOT NULL CHECK (beat >= 0),
    stripe  INTEGER NOT NULL CHECK (stripe >= 0),
    gone    INTEGER NOT NULL CHECK (gone IN (0, 1)),
    started INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX nodes_here ON nodes (id) WHERE gone = 0;

CREATE TABLE parties (
    id                 BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    app                TEXT    NOT NULL,
    sealed             BLOB, -- the name, encrypted
    kind               INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 2), -- person, merchant
    default_instrument BLOB CHECK (length(default_instrument) = 16),
    created            INTEGER NOT NULL,
    closed             INTEGER, -- since when nothing of it begins, to be erased
    erased             INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX parties_by_app ON parties (app, id);

CREATE TABLE instruments (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    party    BLOB    NOT NULL CHECK (length(party) = 16),
    app      TEXT    NOT NULL,
    kind     INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4), -- phone, handle, bank account, wallet
    sealed   BLOB, -- the phone, handle or account number, and the UPI id, encrypted
    ifsc     TEXT,
    bank     TEXT,
    currency TEXT,
    unlinked INTEGER NOT NULL CHECK (unlinked IN (0, 1)),
    created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX instruments_by_party ON instruments (party, id) WHERE unlinked = 0;

-- Names of active instruments, as a keyed hash: a row goes when its instrument is unlinked.
CREATE TABLE aliases (
    app        TEXT    NOT NULL, -- empty for UPI ids, which are everybody's
    kind       INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5), -- phone, handle, account, wallet, UPI id
    value      TEXT    NOT NULL,
    instrument BLOB    NOT NULL CHECK (length(instrument) = 16),
    party      BLOB    NOT NULL CHECK (length(party) = 16),
    PRIMARY KEY (app, kind, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    role       INTEGER NOT NULL CHECK (role BETWEEN 1 AND 5), -- chat, bank, auditor, operator, inspector
    app        TEXT,
    bank       TEXT,
    label      TEXT,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    public_key BLOB,
    created    INTEGER NOT NULL,
    revoked    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- First answers to requests. Keys are random and bodies large: with a rowid the
-- bodies are appended, and only the slim index is written all over.
CREATE TABLE answers (
    app          TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    status       INTEGER NOT NULL,
    sealed       BLOB    NOT NULL, -- the request's hash and the answer, encrypted
    created      INTEGER NOT NULL,
    UNIQUE (app, key)
) STRICT;

CREATE TABLE contradictions (
    transfer BLOB    NOT NULL CHECK (length(transfer) = 16),
    leg      INTEGER NOT NULL CHECK (leg BETWEEN 1 AND 4),
    says     INTEGER NOT NULL CHECK (says BETWEEN 1 AND 5), -- approved, declined, not done, stands, unknown
    was      INTEGER NOT NULL CHECK (was BETWEEN 1 AND 9),  -- a state of instructions
    code     TEXT,
    at       INTEGER NOT NULL,
    PRIMARY KEY (transfer, leg, says)
) STRICT, WITHOUT ROWID;

-- The past isn't rewritten, whoever asks. (REPLACE deletes without asking these
-- triggers. Triggers on INSERT that look first would cost a tenth of a transfer's
-- time; Bahi never uses REPLACE, and "bahi verify" finds what it destroyed.)

-- +goose StatementBegin
CREATE TRIGGER postings_refuse_update BEFORE UPDATE ON postings
BEGIN SELECT RAISE(ABORT, 'postings are never changed: undo one by a new posting'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER postings_refuse_delete BEFORE DELETE ON postings
BEGIN SELECT RAISE(ABORT, 'postings are never deleted: undo one by a new posting'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER transfers_refuse_update BEFORE UPDATE ON transfers
BEGIN SELECT RAISE(ABORT, 'a transfer is never changed: what it becomes is in its steps'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER transfers_refuse_delete BEFORE DELETE ON transfers
BEGIN SELECT RAISE(ABORT, 'a transfer is never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER steps_refuse_update BEFORE UPDATE ON steps
BEGIN SELECT RAISE(ABORT, 'the history of a transfer is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER steps_refuse_delete BEFORE DELETE ON steps
BEGIN SELECT RAISE(ABORT, 'the history of a transfer is never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER answers_refuse_update BEFORE UPDATE ON answers
BEGIN SELECT RAISE(ABORT, 'a first answer is never changed: a repeat gets it again'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER answers_refuse_delete BEFORE DELETE ON answers
BEGIN SELECT RAISE(ABORT, 'a first answer is never deleted: a repeat gets it again'); END;
-- +goose StatementEnd

-- For people at the sqlite3 shell: SELECT * FROM book WHERE credit LIKE 'wallet:%' LIMIT 20;
CREATE VIEW book AS
SELECT datetime(p.at / 1000000, 'unixepoch') AS utc,
       'BAH' || hex(p.entry) AS entry,
       CASE p.event WHEN 1 THEN 'debit' WHEN 2 THEN 'credit' WHEN 3 THEN 'debit_reversal' WHEN 4 THEN 'credit_reversal' WHEN 5 THEN 'wallet' WHEN 6 THEN 'adjustment' WHEN 7 THEN 'settlement' WHEN 8 THEN 'fee' END AS event,
       d.path AS debit,
       c.path AS credit,
       p.amount AS minor_units,
       p.currency,
       p.debit_balance,
       p.credit_balance
FROM postings AS p
JOIN accounts AS d ON d.id = p.debit
JOIN accounts AS c ON c.id = p.credit;
