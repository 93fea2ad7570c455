-- +goose Up
-- version is the highest one applied; -1: nothing is known of the aggregate but
-- that an event of it waits. previous is the version before the last move, by
-- which an upsert checks that nobody else moved the cursor meanwhile.
CREATE TABLE inbox_cursors (
    consumer     text    NOT NULL,
    topic        text    NOT NULL,
    aggregate_id text    NOT NULL,
    version      bigint  NOT NULL,
    previous     bigint  NOT NULL,
    blocked      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (aggregate_id, topic, consumer)
);

CREATE TABLE inbox_pending (
    consumer        text        NOT NULL,
    event_id        text        NOT NULL,
    topic           text        NOT NULL,
    aggregate_id    text        NOT NULL,
    version         bigint      NOT NULL,
    envelope        text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('pending', 'parked', 'dropped')),
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    reason          text        NOT NULL DEFAULT '',
    first_seen      timestamptz NOT NULL,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_pending_due ON inbox_pending (consumer, next_attempt_at) WHERE state = 'pending';
CREATE INDEX inbox_pending_aggregate ON inbox_pending (aggregate_id, topic, consumer, version);

CREATE TABLE inbox_consumers (
    consumer      text        NOT NULL,
    topic         text        NOT NULL,
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, topic)
);

-- +goose Down
DROP TABLE inbox_consumers;
DROP TABLE inbox_pending;
DROP TABLE inbox_cursors;
