-- +goose Up
-- Topics of which a version of the consumer that does not listen to them took events
-- over: one that does has to catch up. times tells one such note from a later one.
CREATE TABLE inbox_missed (
    consumer text   NOT NULL,
    topic    text   NOT NULL,
    times    bigint NOT NULL,
    PRIMARY KEY (consumer, topic)
);

-- +goose Down
DROP TABLE inbox_missed;
