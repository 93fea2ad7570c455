CREATE TABLE rates (sku text); -- want SQL "the table rates is made by modules/orders too"
