-- +goose Up
-- Deposits by card: what was asked for and what became of it. The stream of the
-- wallet has those that were credited. No card token is kept here: it is in the
-- saga's state until the card is authorised.
CREATE TABLE deposits (
    id         text        NOT NULL PRIMARY KEY, -- the reference in the provider's ledger
    user_id    text        NOT NULL,
    amount     bigint      NOT NULL CHECK (amount > 0),
    currency   text        NOT NULL,
    status     text        NOT NULL CHECK (status IN ('pending', 'credited', 'failed')),
    reason     text        NOT NULL DEFAULT '', -- code for which it failed
    payment_id text        NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE deposits;
