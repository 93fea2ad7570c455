-- +goose Up
-- Those that can be forgotten one day: an open quote with a promotion counts for it.
CREATE INDEX quotes_old ON quotes (created_at) WHERE promo_code = '' OR status = 'released';

-- +goose Down
DROP INDEX quotes_old;
