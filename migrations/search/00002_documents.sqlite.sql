-- +goose Up
-- What can be bought, one row a product. title_key and label_key are the words of
-- the title, and of vendor, category and tags, as they are compared, each after a
-- space and a space at the end. shown is what a result shows of it, as JSON.
CREATE TABLE documents (
    doc_id     integer     PRIMARY KEY AUTOINCREMENT,
    generation bigint      NOT NULL,
    product_id text        NOT NULL,
    title_key  text        NOT NULL,
    label_key  text        NOT NULL,
    category   text        NOT NULL,
    vendor     text        NOT NULL,
    price      bigint      NOT NULL,
    price_most bigint      NOT NULL,
    compare_at bigint,
    currency   text        NOT NULL,
    in_stock   integer     NOT NULL CHECK (in_stock IN (0, 1)),
    created_at timestamptz NOT NULL,
    shown      text        NOT NULL,
    UNIQUE (generation, product_id)
);
CREATE INDEX documents_category ON documents (generation, category);
CREATE INDEX documents_vendor ON documents (generation, vendor);
CREATE INDEX documents_title ON documents (generation, title_key);

-- The words of each document under its doc_id. The words are made by us, for both
-- databases alike, so the tokenizer only has to cut at spaces.
CREATE VIRTUAL TABLE documents_text USING fts5 (
    title, rest, content = '', contentless_delete = 1, detail = column, prefix = '2 3', tokenize = 'ascii'
);

-- Every word that a document ever had, for the words that are near a mistyped one.
-- mirrored is the word backwards.
CREATE TABLE words (
    generation bigint  NOT NULL,
    word       text    NOT NULL,
    mirrored   text    NOT NULL,
    letters    integer NOT NULL,
    PRIMARY KEY (generation, word)
) WITHOUT ROWID;
CREATE INDEX words_mirrored ON words (generation, mirrored, letters);

-- Where categories and vendors are completed: begins is one from one of its words
-- on, as words are compared ("home garden" and "garden").
CREATE TABLE labels (
    generation bigint NOT NULL,
    begins     text   NOT NULL,
    kind       text   NOT NULL CHECK (kind IN ('category', 'vendor')),
    value      text   NOT NULL,
    PRIMARY KEY (generation, begins, kind, value)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE labels;
DROP TABLE words;
DROP TABLE documents_text;
DROP TABLE documents;
