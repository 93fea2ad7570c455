-- +goose Up
-- The seal of the last event in a snapshot. In a transaction of its own: who changes a
-- wallet meanwhile reads the tables in the other order, and would wait for this as this
-- for them.
ALTER TABLE stream_snapshots ADD COLUMN seal bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE stream_snapshots DROP COLUMN seal;
