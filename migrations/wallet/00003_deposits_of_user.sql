-- +goose Up
-- The audit adds up what was credited to each wallet.
CREATE INDEX deposits_of_user ON deposits (user_id);

-- +goose Down
DROP INDEX deposits_of_user;
