CREATE TABLE order_payments (
    order_id   text REFERENCES orders (id),
    payment_id text NOT NULL REFERENCES payments (id), -- want SQL "the table payments belongs to modules/payments"
    charge_id  text,
    CONSTRAINT charged FOREIGN KEY (charge_id) REFERENCES "payments"."charges" -- want SQL "the table payments.charges belongs to modules/payments"
);
ALTER TABLE products ADD COLUMN sold integer; -- want SQL "the table products belongs to modules/catalog"
CREATE TABLE rates (sku text); -- want SQL "the table rates is made by modules/catalog too"
CREATE VIEW sold AS SELECT * FROM order_lines l
    LEFT JOIN /* now */ products p ON p.id = l.order_id; -- want SQL "the table products belongs to modules/catalog"
CREATE TRIGGER touched AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f();
CREATE INDEX payments_of ON payments (id); -- want SQL "the table payments belongs to modules/payments"
INSERT INTO orders (id) SELECT id FROM outbox; -- want SQL "the table outbox belongs to internal/event"
DO $$
BEGIN
    DELETE FROM charges; -- want SQL "the table charges belongs to modules/payments"
END $$;
CREATE TABLE IF NOT EXISTS orders.archive (id text); -- want SQL "is named with its schema"
