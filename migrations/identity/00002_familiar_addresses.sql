-- +goose Up
-- Where somebody's password was right of late. Who is there is not kept out by
-- those who guess from elsewhere.
CREATE TABLE familiar_addresses (
    subject    text        NOT NULL PRIMARY KEY, -- kind and SHA-256 of e-mail and address
    expires_at timestamptz NOT NULL
);
CREATE INDEX familiar_addresses_expiry ON familiar_addresses (expires_at);

-- +goose Down
DROP TABLE familiar_addresses;
