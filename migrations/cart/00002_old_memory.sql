-- +goose Up
-- What was done is remembered for a month; then it is looked for by its age.
CREATE INDEX checkouts_old ON checkouts (at);
CREATE INDEX merges_old ON merges (at);

-- +goose Down
DROP INDEX merges_old;
DROP INDEX checkouts_old;
