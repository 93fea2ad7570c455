-- +goose Up
-- One row per order. revision guards every change of the row; version counts the
-- events published about it. A row without user_id is a tombstone: the order was
-- given up before anybody asked for its payment.
CREATE TABLE payments (
    id             text        NOT NULL PRIMARY KEY,
    order_id       text        NOT NULL UNIQUE,
    user_id        text        NOT NULL,
    status         text        NOT NULL CHECK (status IN ('pending', 'authorised', 'captured', 'refunded', 'voided', 'declined')),
    amount         bigint      NOT NULL CHECK (amount >= 0),
    currency       text        NOT NULL,
    captured       bigint      NOT NULL DEFAULT 0 CHECK (captured >= 0 AND captured <= amount),
    refunded       bigint      NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    refund_pending bigint      NOT NULL DEFAULT 0 CHECK (refund_pending >= 0),
    void_wanted    boolean     NOT NULL DEFAULT false,
    charge_id      text        NOT NULL DEFAULT '',
    reason         text        NOT NULL DEFAULT '',
    version        bigint      NOT NULL DEFAULT 0,
    revision       bigint      NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CHECK (refunded + refund_pending <= captured)
);

-- What the provider is asked to do. idempotency_key is the provider's, made by
-- us; request_key is the caller's, of refunds only. epoch counts claims: whoever
-- holds an older one can put nothing back. attempts counts failures. No card
-- token is kept here: whoever repeats an authorisation brings it along.
CREATE TABLE provider_operations (
    id              text        NOT NULL PRIMARY KEY,
    payment_id      text        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('authorise', 'capture', 'void', 'refund')),
    amount          bigint      NOT NULL,
    currency        text        NOT NULL,
    idempotency_key text        NOT NULL UNIQUE,
    status          text        NOT NULL CHECK (status IN ('pending', 'done', 'refused', 'parked')),
    attempts        integer     NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL,
    claimed_until   timestamptz,
    tried_at        timestamptz,
    epoch           bigint      NOT NULL DEFAULT 0,
    request_key     text,
    fingerprint     text        NOT NULL DEFAULT '',
    reason          text        NOT NULL DEFAULT '',
    message         text        NOT NULL DEFAULT '',
    reply           text        NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
CREATE UNIQUE INDEX provider_operations_request ON provider_operations (request_key) WHERE request_key IS NOT NULL;
CREATE INDEX provider_operations_payment ON provider_operations (payment_id);
CREATE INDEX provider_operations_open ON provider_operations (next_at) WHERE status IN ('pending', 'parked');

-- Events of the provider that were taken already.
CREATE TABLE webhook_events (
    event_id    text        NOT NULL PRIMARY KEY,
    received_at timestamptz NOT NULL
);
CREATE INDEX webhook_events_age ON webhook_events (received_at);

-- +goose Down
DROP TABLE webhook_events;
DROP TABLE provider_operations;
DROP TABLE payments;
