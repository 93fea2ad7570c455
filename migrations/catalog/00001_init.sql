-- +goose Up
CREATE TABLE products (
    id               text        NOT NULL PRIMARY KEY,
    handle           text        NOT NULL UNIQUE,
    title            text        NOT NULL,
    description_html text        NOT NULL,
    vendor           text        NOT NULL,
    category         text        NOT NULL,
    tags             text        NOT NULL, -- JSON, a list of strings
    images           text        NOT NULL, -- JSON, a list of {src, alt}
    variants         text        NOT NULL, -- JSON, a list of {sku, title, options, weight_grams, barcode}
    status           text        NOT NULL CHECK (status IN ('draft', 'published', 'archived')),
    version          bigint      NOT NULL CHECK (version > 0),
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL
);

-- Lists are read newest first, by status, and then by one of the filters.
CREATE INDEX products_newest ON products (status, created_at, id);
CREATE INDEX products_by_category ON products (category, status, created_at, id);
CREATE INDEX products_by_vendor ON products (vendor, status, created_at, id);

-- Which product sells a SKU: what makes a SKU unique in the shop. A product's row
-- holds its variants whole, so that one row is always one consistent product.
CREATE TABLE product_skus (
    sku        text NOT NULL PRIMARY KEY,
    product_id text NOT NULL REFERENCES products (id)
);
CREATE INDEX product_skus_by_product ON product_skus (product_id);

-- Which products have a tag.
CREATE TABLE product_tags (
    product_id text NOT NULL REFERENCES products (id),
    tag        text NOT NULL,
    PRIMARY KEY (product_id, tag)
);
CREATE INDEX product_tags_by_tag ON product_tags (tag, product_id);

-- +goose Down
DROP TABLE product_tags;
DROP TABLE product_skus;
DROP TABLE products;
