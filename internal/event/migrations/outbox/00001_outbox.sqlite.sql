-- +goose Up
CREATE TABLE outbox (
    id           text        NOT NULL PRIMARY KEY,
    topic        text        NOT NULL,
    type         text        NOT NULL,
    aggregate_id text        NOT NULL,
    version      bigint      NOT NULL CHECK (version > 0),
    lane         integer     NOT NULL CHECK (lane BETWEEN 0 AND 7),
    recorded_at  timestamptz NOT NULL,
    traceparent  text        NOT NULL DEFAULT '',
    data         text        NOT NULL,
    sent_at      timestamptz,
    UNIQUE (topic, aggregate_id, version)
);
CREATE INDEX outbox_unsent ON outbox (lane, id) WHERE sent_at IS NULL;
CREATE INDEX outbox_recorded ON outbox (recorded_at);

CREATE TABLE outbox_lanes (
    lane       integer     NOT NULL PRIMARY KEY,
    holder     text        NOT NULL DEFAULT '',
    epoch      bigint      NOT NULL DEFAULT 0,
    held_until timestamptz NOT NULL
);
INSERT INTO outbox_lanes (lane, held_until)
VALUES (0, '2000-01-01 00:00:00.000000+00:00'), (1, '2000-01-01 00:00:00.000000+00:00'),
       (2, '2000-01-01 00:00:00.000000+00:00'), (3, '2000-01-01 00:00:00.000000+00:00'),
       (4, '2000-01-01 00:00:00.000000+00:00'), (5, '2000-01-01 00:00:00.000000+00:00'),
       (6, '2000-01-01 00:00:00.000000+00:00'), (7, '2000-01-01 00:00:00.000000+00:00');

-- One row once retention has dropped something: events before this instant are no longer in the log.
CREATE TABLE outbox_trimmed (
    one    integer     NOT NULL PRIMARY KEY CHECK (one = 1),
    before timestamptz NOT NULL
);

-- +goose Down
DROP TABLE outbox_trimmed;
DROP TABLE outbox_lanes;
DROP TABLE outbox;
