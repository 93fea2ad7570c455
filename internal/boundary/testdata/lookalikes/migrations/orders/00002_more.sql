-- REFERENCES payments (id): the owner is asked instead, SELECT FROM payments
/* ALTER TABLE products */
ALTER TABLE orders ADD COLUMN note text DEFAULT 'copied FROM payments';
CREATE TABLE IF NOT EXISTS order_notes (
    order_id text REFERENCES orders (id),
    payments text NOT NULL, -- a column
    products text NOT NULL CHECK (products <> 'INSERT INTO products')
);
CREATE INDEX products ON order_notes (products);
UPDATE orders SET note = (SELECT max(n.payments) FROM order_notes AS n WHERE n.order_id = orders.id);
WITH payments AS (SELECT order_id FROM order_notes) DELETE FROM order_lines WHERE order_id IN (SELECT order_id FROM payments);
