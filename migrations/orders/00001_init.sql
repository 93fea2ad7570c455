-- +goose Up
-- Lines and history are JSON text in the order's own row: they are read and
-- written with it and never alone.
CREATE TABLE orders (
    id               text PRIMARY KEY, -- UUIDv7: newest last
    number           text NOT NULL,
    user_id          text NOT NULL,
    status           text NOT NULL CHECK (status IN ('pending', 'confirmed', 'rejected', 'shipped', 'delivered', 'cancelled')),
    reason           text NOT NULL,
    version          bigint NOT NULL,  -- of the last event published about it, 0 for none
    lines            text NOT NULL,
    currency         text NOT NULL,
    subtotal         bigint NOT NULL CHECK (subtotal >= 0),
    discount         bigint NOT NULL CHECK (discount >= 0),
    shipping         bigint NOT NULL CHECK (shipping >= 0),
    tax              bigint NOT NULL CHECK (tax >= 0),
    total            bigint NOT NULL,
    refunded         bigint NOT NULL CHECK (refunded >= 0),
    weight_grams     bigint NOT NULL,
    shipping_address text NOT NULL,
    shipping_method  text NOT NULL,
    promo_code       text NOT NULL,
    payment_id       text NOT NULL,
    shipment_id      text NOT NULL,
    cancelling       text NOT NULL,    -- saga that decides whether it is cancelled, empty for none
    delivered_early  boolean NOT NULL, -- delivered before the payment was captured
    history          text NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CHECK (total = subtotal - discount + shipping + tax)
);
CREATE UNIQUE INDEX orders_number ON orders (number);
CREATE INDEX orders_of_user ON orders (user_id, id);

-- +goose Down
DROP TABLE orders;
