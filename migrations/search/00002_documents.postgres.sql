-- +goose Up
-- What can be bought, one row a product. title_key and label_key are the words of
-- the title, and of vendor, category and tags, as they are compared, each after a
-- space and a space at the end. shown is what a result shows of it, as JSON.
-- Texts are compared byte by byte, as SQLite does.
CREATE TABLE documents (
    doc_id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    generation bigint      NOT NULL,
    product_id text        COLLATE "C" NOT NULL,
    title_key  text        COLLATE "C" NOT NULL,
    label_key  text        COLLATE "C" NOT NULL,
    category   text        COLLATE "C" NOT NULL,
    vendor     text        COLLATE "C" NOT NULL,
    price      bigint      NOT NULL,
    price_most bigint      NOT NULL,
    compare_at bigint,
    currency   text        NOT NULL,
    in_stock   integer     NOT NULL CHECK (in_stock IN (0, 1)),
    created_at timestamptz NOT NULL,
    shown      text        NOT NULL,
    words      tsvector    NOT NULL, -- all words; made by us, for both databases alike
    UNIQUE (generation, product_id)
);
CREATE INDEX documents_category ON documents (generation, category);
CREATE INDEX documents_vendor ON documents (generation, vendor);
CREATE INDEX documents_title ON documents (generation, title_key);
CREATE INDEX documents_words ON documents USING gin (words);

-- Every word that a document ever had, for the words that are near a mistyped one.
-- mirrored is the word backwards.
CREATE TABLE words (
    generation bigint  NOT NULL,
    word       text    COLLATE "C" NOT NULL,
    mirrored   text    COLLATE "C" NOT NULL,
    letters    integer NOT NULL,
    PRIMARY KEY (generation, word)
);
CREATE INDEX words_mirrored ON words (generation, mirrored, letters);

-- Where categories and vendors are completed: begins is one from one of its words
-- on, as words are compared ("home garden" and "garden").
CREATE TABLE labels (
    generation bigint NOT NULL,
    begins     text   COLLATE "C" NOT NULL,
    kind       text   NOT NULL CHECK (kind IN ('category', 'vendor')),
    value      text   COLLATE "C" NOT NULL,
    PRIMARY KEY (generation, begins, kind, value)
);

-- +goose Down
DROP TABLE labels;
DROP TABLE words;
DROP TABLE documents;
