-- +goose Up
CREATE TABLE prices (
    sku        text   NOT NULL PRIMARY KEY,
    amount     bigint NOT NULL CHECK (amount >= 0), -- minor units
    compare_at bigint CHECK (compare_at >= 0),
    currency   text   NOT NULL,
    version    bigint NOT NULL -- counts the published changes
);

CREATE TABLE promotions (
    code         text        NOT NULL PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('percent', 'fixed')),
    value        bigint      NOT NULL CHECK (value > 0),
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    min_subtotal bigint      NOT NULL DEFAULT 0 CHECK (min_subtotal >= 0),
    usage_limit  bigint      NOT NULL DEFAULT 0 CHECK (usage_limit >= 0), -- 0: none
    used         bigint      NOT NULL DEFAULT 0 CHECK (used >= 0),
    CHECK (usage_limit = 0 OR used <= usage_limit)
);

-- The quotes of orders. A released one without numbers stands for an order
-- that was given up before it was quoted.
CREATE TABLE quotes (
    order_id   text        NOT NULL PRIMARY KEY,
    status     text        NOT NULL CHECK (status IN ('open', 'released')),
    promo_code text        NOT NULL DEFAULT '',
    body       text        NOT NULL, -- JSON
    created_at timestamptz NOT NULL
);
CREATE INDEX quotes_promotion ON quotes (promo_code) WHERE promo_code <> '';

-- +goose Down
DROP TABLE quotes;
DROP TABLE promotions;
DROP TABLE prices;
