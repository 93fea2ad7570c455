-- +goose Up
CREATE INDEX sagas_ended ON sagas (updated_at) WHERE status IN ('completed', 'compensated');

-- +goose Down
DROP INDEX sagas_ended;
