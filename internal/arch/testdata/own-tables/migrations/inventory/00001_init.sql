CREATE TABLE IF NOT EXISTS stock (sku text); -- want
