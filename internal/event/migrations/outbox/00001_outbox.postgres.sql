-- +goose Up
-- The primary key must contain the partition key. That an aggregate's version is
-- used once is enforced by a unique index of each month's partition.
CREATE TABLE outbox (
    id           text        NOT NULL,
    topic        text        NOT NULL,
    type         text        NOT NULL,
    aggregate_id text        NOT NULL,
    version      bigint      NOT NULL CHECK (version > 0),
    lane         integer     NOT NULL CHECK (lane BETWEEN 0 AND 7),
    recorded_at  timestamptz NOT NULL,
    traceparent  text        NOT NULL DEFAULT '',
    data         text        NOT NULL,
    sent_at      timestamptz,
    PRIMARY KEY (id, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX outbox_unsent ON outbox (lane, id) WHERE sent_at IS NULL;

CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;
CREATE UNIQUE INDEX outbox_default_version ON outbox_default (topic, aggregate_id, version);

CREATE TABLE outbox_lanes (
    lane       integer     NOT NULL PRIMARY KEY,
    holder     text        NOT NULL DEFAULT '',
    epoch      bigint      NOT NULL DEFAULT 0,
    held_until timestamptz NOT NULL
);
INSERT INTO outbox_lanes (lane, held_until) SELECT n, '2000-01-01 00:00:00+00' FROM generate_series(0, 7) AS n;

-- One row once retention has dropped something: events before this instant are no longer in the log.
CREATE TABLE outbox_trimmed (
    one    integer     NOT NULL PRIMARY KEY CHECK (one = 1),
    before timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$
DECLARE
    first timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    month timestamp;
    part  text;
BEGIN
    FOR n IN 0..2 LOOP
        month := first + make_interval(months => n);
        part := 'outbox_' || to_char(month, 'YYYY_MM');
        EXECUTE format('CREATE TABLE %I PARTITION OF outbox FOR VALUES FROM (%L) TO (%L)', part,
            to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
            to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
        EXECUTE format('CREATE UNIQUE INDEX %I ON %I (topic, aggregate_id, version)', part || '_version', part);
    END LOOP;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE outbox_trimmed;
DROP TABLE outbox_lanes;
DROP TABLE outbox;
