-- Whether the payer's bank gets a credential block with the debit. The block
-- itself is never stored.

-- +goose Up

ALTER TABLE transfers ADD COLUMN credential BOOLEAN NOT NULL DEFAULT FALSE;
