-- +goose Up
CREATE TABLE carts (
    id         text        NOT NULL PRIMARY KEY,
    user_id    text        UNIQUE, -- null: a guest's
    token_hash text        UNIQUE, -- SHA-256 of a guest's token; null: a user's
    updated_at timestamptz NOT NULL,
    CHECK ((user_id IS NULL) <> (token_hash IS NULL))
);
CREATE INDEX carts_idle_guests ON carts (updated_at) WHERE token_hash IS NOT NULL;

CREATE TABLE cart_lines (
    cart_id  text        NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    sku      text        NOT NULL,
    quantity integer     NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    added_at timestamptz NOT NULL,
    revision bigint      NOT NULL, -- when it was last set, in microseconds; grows
    PRIMARY KEY (cart_id, sku)
);

-- Orders that took their lines out of a cart, so that it is done once.
CREATE TABLE checkouts (
    order_id text        NOT NULL PRIMARY KEY,
    at       timestamptz NOT NULL
);

-- Guests' carts that went into a user's, so that a repeated merge is answered
-- like the first.
CREATE TABLE merges (
    token_hash text        NOT NULL PRIMARY KEY,
    user_id    text        NOT NULL,
    lines      integer     NOT NULL,
    at         timestamptz NOT NULL
);

-- +goose Down
DROP TABLE merges;
DROP TABLE checkouts;
DROP TABLE cart_lines;
DROP TABLE carts;
