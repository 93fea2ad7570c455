-- +goose Up
-- One row per charge. idempotency_key is the caller's: one key, one charge.
CREATE TABLE charges (
    id              text        NOT NULL PRIMARY KEY,
    reference       text        NOT NULL,
    amount          bigint      NOT NULL CHECK (amount >= 0),
    currency        text        NOT NULL,
    status          text        NOT NULL CHECK (status IN ('authorised', 'captured', 'voided', 'refunded', 'declined')),
    captured        bigint      NOT NULL DEFAULT 0 CHECK (captured >= 0 AND captured <= amount),
    refunded        bigint      NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= captured),
    reason          text        NOT NULL DEFAULT '',
    idempotency_key text        NOT NULL UNIQUE,
    created_at      timestamptz NOT NULL
);
CREATE INDEX charges_reference ON charges (reference);

-- What was done to charges, each under the caller's key.
CREATE TABLE actions (
    idempotency_key text        NOT NULL PRIMARY KEY,
    charge_id       text        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('capture', 'void', 'refund')),
    amount          bigint      NOT NULL,
    created_at      timestamptz NOT NULL
);

-- How often a key was answered with a failure on purpose.
CREATE TABLE failures (
    idempotency_key text    NOT NULL PRIMARY KEY,
    times           integer NOT NULL
);

-- Webhooks that are still to be sent.
CREATE TABLE webhooks (
    id        text        NOT NULL PRIMARY KEY,
    body      text        NOT NULL,
    attempts  integer     NOT NULL DEFAULT 0,
    next_at   timestamptz NOT NULL
);
CREATE INDEX webhooks_due ON webhooks (next_at);

-- +goose Down
DROP TABLE webhooks;
DROP TABLE failures;
DROP TABLE actions;
DROP TABLE charges;
