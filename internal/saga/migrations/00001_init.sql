-- +goose Up
CREATE TABLE sagas (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    state       text NOT NULL,
    status      text NOT NULL CHECK (status IN ('running', 'compensating', 'completed', 'compensated', 'parked')),
    resume      text NOT NULL DEFAULT '' CHECK (resume IN ('', 'running', 'compensating')),
    step        integer NOT NULL,
    reached     integer NOT NULL,
    attempts    integer NOT NULL,
    crashes     integer NOT NULL,
    next_at     timestamptz NOT NULL,
    started_at  timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    claimed_by  text NOT NULL DEFAULT '',
    epoch       bigint NOT NULL,
    cause       text NOT NULL DEFAULT '',
    traceparent text NOT NULL DEFAULT '',
    history     text NOT NULL DEFAULT '[]'
);

CREATE INDEX sagas_due ON sagas (next_at) WHERE status IN ('running', 'compensating');
CREATE INDEX sagas_parked ON sagas (id) WHERE status = 'parked';

-- +goose Down
DROP TABLE sagas;
