-- +goose Up
CREATE TABLE carts (id text PRIMARY KEY);
CREATE TABLE cart_lines (cart_id text REFERENCES carts (id));
CREATE INDEX cart_lines_cart ON cart_lines (cart_id);
-- +goose Down
DROP TABLE cart_lines;
DROP TABLE carts;
