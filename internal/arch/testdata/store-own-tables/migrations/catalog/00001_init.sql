CREATE TABLE products (id text);
