-- +goose Up
-- The wallets themselves are the streams of the event store. A hold's order is
-- unique over all of them, which no stream can say: this row is written in the
-- transaction of the hold's events, and the audit compares it with them.
CREATE TABLE holds (
    order_id   text        NOT NULL PRIMARY KEY,
    user_id    text        NOT NULL,
    amount     bigint      NOT NULL CHECK (amount >= 0), -- 0: the order was released before it was held
    status     text        NOT NULL CHECK (status IN ('held', 'captured', 'released', 'refunded')),
    updated_at timestamptz NOT NULL
);
CREATE INDEX holds_open ON holds (user_id, order_id) WHERE status = 'held';

-- Projections: made from the streams, and made again when asked for.
CREATE TABLE balances (
    generation bigint      NOT NULL,
    user_id    text        NOT NULL,
    balance    bigint      NOT NULL,
    available  bigint      NOT NULL,
    version    bigint      NOT NULL, -- of the last event in it
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (generation, user_id)
);

CREATE TABLE statement_lines (
    generation bigint      NOT NULL,
    user_id    text        NOT NULL,
    version    bigint      NOT NULL,
    type       text        NOT NULL,
    at         timestamptz NOT NULL,
    amount     bigint      NOT NULL,
    balance    bigint      NOT NULL, -- after it
    available  bigint      NOT NULL, -- after it
    reference  text        NOT NULL,
    PRIMARY KEY (generation, user_id, version)
);

CREATE TABLE daily_totals (
    generation bigint NOT NULL,
    day        text   NOT NULL, -- 2026-03-01, UTC
    type       text   NOT NULL,
    events     bigint NOT NULL,
    moved      bigint NOT NULL, -- what they added to balances
    PRIMARY KEY (generation, day, type)
);

-- +goose Down
DROP TABLE daily_totals;
DROP TABLE statement_lines;
DROP TABLE balances;
DROP TABLE holds;
