CREATE TABLE products (id text PRIMARY KEY, title text);
CREATE TABLE prices (sku text PRIMARY KEY);
