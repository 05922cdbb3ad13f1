-- The book. Ids are 16 bytes; times are Unix microseconds; money is an integer
-- of the currency's minor unit; small enumerations bear the numbers that package
-- ledger gives them. What is absent is NULL, and in no index. Text that
-- is searched for is ordered by its bytes, which is also the fastest.

-- +goose Up

CREATE TABLE accounts (
    id       UUID     NOT NULL PRIMARY KEY,
    path     TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    type     SMALLINT NOT NULL CHECK (type BETWEEN 1 AND 5), -- asset, liability, equity, income, expense
    bounded  BOOLEAN  NOT NULL,
    frozen   BOOLEAN  NOT NULL,
    debits   BIGINT   NOT NULL CHECK (debits >= 0),
    credits  BIGINT   NOT NULL CHECK (credits >= 0),
    seq      BIGINT   NOT NULL CHECK (seq >= 0),
    reserved BIGINT   NOT NULL, -- of a clearing account: what its bank is asked for
    posted   BIGINT   NOT NULL, -- when it was posted to last
    created  BIGINT   NOT NULL,
    UNIQUE (path, currency),
    CONSTRAINT bounded_account CHECK (NOT bounded OR CASE WHEN type IN (1, 5) THEN debits >= credits ELSE credits >= debits END)
);

CREATE TABLE transfers (
    id               UUID     NOT NULL PRIMARY KEY,
    app              TEXT COLLATE "C" NOT NULL,
    kind             SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 5), -- payment, top-up, withdrawal, payout, refund
    payer_party      UUID,
    payer_instrument UUID,
    payer_bank       TEXT,
    payer_ifsc       TEXT,
    payer_sealed     BYTEA, -- name, account and UPI id, with the note and the metadata, encrypted
    payer_mark       BYTEA CHECK (length(payer_mark) = 32), -- a salted hash of them
    payee_party      UUID,
    payee_instrument UUID,
    payee_bank       TEXT,
    payee_ifsc       TEXT,
    payee_sealed     BYTEA,
    payee_mark       BYTEA CHECK (length(payee_mark) = 32),
    amount           BIGINT   NOT NULL CHECK (amount > 0),
    currency         TEXT COLLATE "C" NOT NULL,
    conversation     TEXT COLLATE "C",
    message          TEXT,
    rrn              TEXT,
    created          BIGINT   NOT NULL,
    cause_kind       SMALLINT CHECK (cause_kind > 0), -- the record by which it was made
    cause_id         UUID,
    until_time       BIGINT, -- when the payee of a held one is paid, or when a limit would let a refused one through
    -- where its first commit left it: pending, debited, completed, failed or held; what follows stands in steps
    state            SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4 OR state = 10),
    reason           TEXT
);

-- The lists of transfers, each from the newest. A transfer's row is never written
-- again: what becomes of it is added to its steps.
CREATE INDEX transfers_by_app ON transfers (app, id);
CREATE INDEX transfers_by_conversation ON transfers (conversation, id) WHERE conversation IS NOT NULL;
CREATE INDEX transfers_by_payer ON transfers (payer_party, id) WHERE payer_party IS NOT NULL;
CREATE INDEX transfers_by_payee ON transfers (payee_party, id) WHERE payee_party IS NOT NULL;
CREATE INDEX transfers_born_failed ON transfers (id) WHERE state = 4;

CREATE TABLE instructions (
    transfer UUID     NOT NULL,
    leg      SMALLINT NOT NULL CHECK (leg BETWEEN 1 AND 4), -- debit, credit, debit reversal, credit reversal
    bank     TEXT     NOT NULL,
    node     UUID     NOT NULL, -- which drives it; zeros: none
    -- queued, sent, in doubt (these are open); approved, declined, not done, stands, silent, dropped
    state    SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 9),
    attempts INTEGER  NOT NULL CHECK (attempts >= 0),
    due      BIGINT   NOT NULL,
    code     TEXT,
    ref      TEXT,
    created  BIGINT   NOT NULL,
    updated  BIGINT   NOT NULL,
    PRIMARY KEY (transfer, leg)
);

CREATE INDEX instructions_due ON instructions (node, due) WHERE state IN (1, 2, 3);

CREATE TABLE steps (
    transfer  UUID     NOT NULL,
    n         INTEGER  NOT NULL CHECK (n > 0),
    state     SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 10),
    reason    TEXT,
    bank_code TEXT,
    at        BIGINT   NOT NULL,
    deadline  BIGINT, -- of a state in doubt: when it must be decided
    PRIMARY KEY (transfer, n)
);

-- Who was ever failed, cancelled, reversed, deemed or unresolved after its beginning. Those
-- that wait for a bank have an open instruction, those that are held a record; nearly all
-- others are completed.
CREATE INDEX steps_by_state ON steps (state, transfer) WHERE state NOT IN (1, 2, 3, 6, 10);

-- The primary key refuses to post a leg twice; the two unique indexes are each
-- account's statement and refuse two postings at one place of it.
CREATE TABLE postings (
    entry          UUID     NOT NULL,
    event          SMALLINT NOT NULL CHECK (event BETWEEN 1 AND 8), -- the four legs; wallet to wallet; adjustment, settlement, fee
    undoes         SMALLINT CHECK (undoes BETWEEN 1 AND 2),         -- the event of the same transfer that it takes back
    debit          UUID     NOT NULL,
    credit         UUID     NOT NULL,
    amount         BIGINT   NOT NULL CHECK (amount > 0),
    currency       TEXT COLLATE "C" NOT NULL,
    debit_seq      BIGINT   NOT NULL CHECK (debit_seq > 0),
    credit_seq     BIGINT   NOT NULL CHECK (credit_seq > 0),
    debit_balance  BIGINT   NOT NULL,
    credit_balance BIGINT   NOT NULL,
    at             BIGINT   NOT NULL,
    PRIMARY KEY (entry, event),
    CHECK (debit <> credit)
);

CREATE UNIQUE INDEX postings_by_debit ON postings (debit, debit_seq);
CREATE UNIQUE INDEX postings_by_credit ON postings (credit, credit_seq);

-- The processes that serve the book; what is gone never comes back.
CREATE TABLE nodes (
    id      UUID    NOT NULL PRIMARY KEY,
    beat    BIGINT  NOT NULL CHECK (beat >= 0),
    stripe  INTEGER NOT NULL CHECK (stripe >= 0),
    gone    BOOLEAN NOT NULL,
    started BIGINT  NOT NULL
);

CREATE INDEX nodes_here ON nodes (id) WHERE NOT gone;

CREATE TABLE parties (
    id                 UUID     NOT NULL PRIMARY KEY,
    app                TEXT COLLATE "C" NOT NULL,
    sealed             BYTEA, -- the name, encrypted
    kind               SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 2), -- person, merchant
    default_instrument UUID,
    created            BIGINT   NOT NULL,
    closed             BIGINT, -- since when nothing of it begins, to be erased
    erased             BIGINT
);

CREATE INDEX parties_by_app ON parties (app, id);

CREATE TABLE instruments (
    id       UUID     NOT NULL PRIMARY KEY,
    party    UUID     NOT NULL,
    app      TEXT COLLATE "C" NOT NULL,
    kind     SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 4), -- phone, handle, bank account, wallet
    sealed   BYTEA, -- the phone, handle or account number, and the UPI id, encrypted
    ifsc     TEXT,
    bank     TEXT,
    currency TEXT COLLATE "C",
    unlinked BOOLEAN  NOT NULL,
    created  BIGINT   NOT NULL
);

CREATE INDEX instruments_by_party ON instruments (party, id) WHERE NOT unlinked;

-- Names of active instruments, as a keyed hash: a row goes when its instrument is unlinked.
CREATE TABLE aliases (
    app        TEXT COLLATE "C" NOT NULL, -- empty for UPI ids, which are everybody's
    kind       SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 5), -- phone, handle, account, wallet, UPI id
    value      TEXT COLLATE "C" NOT NULL,
    instrument UUID     NOT NULL,
    party      UUID     NOT NULL,
    PRIMARY KEY (app, kind, value)
);

CREATE TABLE api_keys (
    id         UUID     NOT NULL PRIMARY KEY,
    role       SMALLINT NOT NULL CHECK (role BETWEEN 1 AND 5), -- chat, bank, auditor, operator, inspector
    app        TEXT COLLATE "C",
    bank       TEXT,
    label      TEXT,
    hash       BYTEA    NOT NULL UNIQUE CHECK (length(hash) = 32),
    public_key BYTEA,
    created    BIGINT   NOT NULL,
    revoked    BIGINT   NOT NULL
);

-- First answers to requests.
CREATE TABLE answers (
    app          TEXT COLLATE "C" NOT NULL,
    key          TEXT COLLATE "C" NOT NULL,
    status       INTEGER NOT NULL,
    sealed       BYTEA   NOT NULL, -- the request's hash and the answer, encrypted
    created      BIGINT  NOT NULL,
    PRIMARY KEY (app, key)
);

CREATE TABLE contradictions (
    transfer UUID     NOT NULL,
    leg      SMALLINT NOT NULL CHECK (leg BETWEEN 1 AND 4),
    says     SMALLINT NOT NULL CHECK (says BETWEEN 1 AND 5), -- approved, declined, not done, stands, unknown
    was      SMALLINT NOT NULL CHECK (was BETWEEN 1 AND 9),  -- a state of instructions
    code     TEXT,
    at       BIGINT   NOT NULL,
    PRIMARY KEY (transfer, leg, says)
);

-- The past isn't rewritten, whoever asks.
-- +goose StatementBegin
CREATE FUNCTION refuse_to_rewrite() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the past is not rewritten: undo a posting by a new one';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER postings_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON postings FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite();
CREATE TRIGGER transfers_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite();
CREATE TRIGGER steps_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON steps FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite();
CREATE TRIGGER answers_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON answers FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite();

-- For people at a SQL shell: SELECT * FROM book WHERE credit LIKE 'wallet:%' LIMIT 20;
CREATE VIEW book AS
SELECT to_timestamp(p.at / 1000000.0) AS at,
       'BAH' || upper(replace(p.entry::text, '-', '')) AS entry,
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
