-- +goose Up
-- By its seal an event is told from another one that has its version. Those who
-- cannot know it write 0.
ALTER TABLE stream_events ADD COLUMN seal bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE stream_events DROP COLUMN seal;
