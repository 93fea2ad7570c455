-- +goose Up
-- Everything is kept by generation: a rebuild fills a new one while the live one
-- answers. Pieces (*_pieces) hold what events said, in whatever
-- order they came; documents are made of them.
CREATE TABLE generations (
    generation bigint      NOT NULL PRIMARY KEY,
    state      text        NOT NULL CHECK (state IN ('live', 'building', 'retired')),
    token      text        NOT NULL DEFAULT '', -- of who builds it
    made_at    timestamptz NOT NULL,
    beat_at    timestamptz NOT NULL             -- sign of life of who builds it; when it was retired
);
CREATE UNIQUE INDEX generations_live ON generations (state) WHERE state <> 'retired';
INSERT INTO generations (generation, state, made_at, beat_at)
VALUES (1, 'live', '2000-01-01 00:00:00.000000+00:00', '2000-01-01 00:00:00.000000+00:00');

-- What catalog said of a product last.
CREATE TABLE product_pieces (
    generation bigint  NOT NULL,
    product_id text    NOT NULL,
    version    bigint  NOT NULL,
    published  boolean NOT NULL,
    content    text    NOT NULL, -- JSON
    PRIMARY KEY (generation, product_id)
);

-- Which SKUs it sells. Two products may claim one for the moment between two events.
CREATE TABLE variant_pieces (
    generation bigint NOT NULL,
    product_id text   NOT NULL,
    sku        text   NOT NULL,
    PRIMARY KEY (generation, product_id, sku)
);
CREATE INDEX variant_pieces_by_sku ON variant_pieces (generation, sku);

-- What pricing and inventory said of a SKU last; null: nothing yet.
CREATE TABLE offer_pieces (
    generation    bigint NOT NULL,
    sku           text   NOT NULL,
    price_version bigint NOT NULL DEFAULT 0,
    amount        bigint,
    compare_at    bigint,
    currency      text,
    stock_version bigint NOT NULL DEFAULT 0,
    available     bigint,
    PRIMARY KEY (generation, sku)
);

-- +goose Down
DROP TABLE offer_pieces;
DROP TABLE variant_pieces;
DROP TABLE product_pieces;
DROP TABLE generations;
