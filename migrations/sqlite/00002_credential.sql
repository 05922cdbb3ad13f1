-- Whether the payer's bank gets a credential block with the debit. The block
-- itself is never stored.

-- +goose Up

ALTER TABLE transfers ADD COLUMN credential INTEGER NOT NULL DEFAULT 0 CHECK (credential IN (0, 1));
