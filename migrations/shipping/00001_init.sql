-- +goose Up
CREATE TABLE shipments (
    id              text        NOT NULL PRIMARY KEY,
    order_id        text        NOT NULL UNIQUE, -- a cancelled row of version 0 stands for an order cancelled too early to have a shipment
    user_id         text        NOT NULL,
    status          text        NOT NULL CHECK (status IN ('pending', 'dispatched', 'delivered', 'cancelled')),
    method          text        NOT NULL,
    address         text        NOT NULL, -- JSON
    carrier         text        NOT NULL DEFAULT '',
    tracking_number text        NOT NULL DEFAULT '',
    version         bigint      NOT NULL, -- counts the published events
    created_at      timestamptz NOT NULL,
    dispatched_at   timestamptz,
    delivered_at    timestamptz
);

-- +goose Down
DROP TABLE shipments;
