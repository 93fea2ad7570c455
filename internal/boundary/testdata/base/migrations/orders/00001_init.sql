CREATE TABLE orders (id text PRIMARY KEY);
CREATE TABLE order_lines (order_id text REFERENCES orders (id));
