-- +goose Up
-- Nothing here is ever changed or deleted. There is one writer, so positions are
-- filled in their order.
CREATE TABLE stream_events (
    stream      text        NOT NULL,
    version     bigint      NOT NULL CHECK (version > 0),
    position    integer     PRIMARY KEY AUTOINCREMENT,
    type        text        NOT NULL,
    schema      integer     NOT NULL CHECK (schema > 0),
    recorded_at timestamptz NOT NULL,
    command     text        NOT NULL DEFAULT '',
    nth         integer     NOT NULL DEFAULT 0,
    actor       text        NOT NULL DEFAULT '',
    traceparent text        NOT NULL DEFAULT '',
    data        text        NOT NULL,
    UNIQUE (stream, version)
);
CREATE UNIQUE INDEX stream_events_command ON stream_events (stream, command, nth) WHERE command <> '';

CREATE TABLE stream_snapshots (
    stream      text        NOT NULL,
    schema      integer     NOT NULL,
    version     bigint      NOT NULL,
    recorded_at timestamptz NOT NULL, -- of the last event in it
    data        text        NOT NULL,
    PRIMARY KEY (stream, schema, version)
);

CREATE TABLE stream_projections (
    name       text   NOT NULL PRIMARY KEY,
    generation bigint NOT NULL -- that readers see
);

CREATE TABLE stream_generations (
    name       text        NOT NULL,
    generation bigint      NOT NULL,
    schema     integer     NOT NULL,
    state      text        NOT NULL CHECK (state IN ('serving', 'building', 'retired')),
    position   bigint      NOT NULL DEFAULT 0, -- of the last event applied
    applied    bigint      NOT NULL DEFAULT 0, -- how many events were
    started_at timestamptz NOT NULL,
    turned_at  timestamptz NOT NULL, -- when it got its state
    failure    text        NOT NULL DEFAULT '',
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX stream_generations_serving ON stream_generations (name) WHERE state = 'serving';
CREATE UNIQUE INDEX stream_generations_building ON stream_generations (name, schema) WHERE state = 'building';

CREATE TABLE stream_lease (
    one        integer     NOT NULL PRIMARY KEY CHECK (one = 1),
    holder     text        NOT NULL DEFAULT '',
    epoch      bigint      NOT NULL DEFAULT 0,
    held_until timestamptz NOT NULL
);
INSERT INTO stream_lease (one, held_until) VALUES (1, '2000-01-01 00:00:00.000000+00:00');

-- +goose Down
DROP TABLE stream_lease;
DROP TABLE stream_generations;
DROP TABLE stream_projections;
DROP TABLE stream_snapshots;
DROP TABLE stream_events;
