-- +goose Up
CREATE TABLE stock (
    sku      text   NOT NULL PRIMARY KEY,
    on_hand  bigint NOT NULL CHECK (on_hand >= 0),
    reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    version  bigint NOT NULL, -- counts the published changes
    CHECK (reserved <= on_hand)
);

CREATE TABLE reservations (
    order_id   text        NOT NULL PRIMARY KEY,
    status     text        NOT NULL CHECK (status IN ('held', 'committed', 'released', 'expired')),
    lines      text        NOT NULL, -- JSON, sorted by SKU
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX reservations_open ON reservations (expires_at) WHERE status = 'held';

-- Every change of on_hand, so that its sum is on_hand.
CREATE TABLE movements (
    id       text        NOT NULL PRIMARY KEY,
    sku      text        NOT NULL,
    kind     text        NOT NULL CHECK (kind IN ('counted', 'sold', 'restocked')),
    quantity bigint      NOT NULL, -- what it added to on_hand
    order_id text        NOT NULL DEFAULT '',
    at       timestamptz NOT NULL
);
CREATE INDEX movements_sku ON movements (sku);
CREATE INDEX movements_order ON movements (order_id) WHERE order_id <> '';

-- +goose Down
DROP TABLE movements;
DROP TABLE reservations;
DROP TABLE stock;
