CREATE TABLE products (sku text PRIMARY KEY);
CREATE TABLE stock (sku text); -- want
