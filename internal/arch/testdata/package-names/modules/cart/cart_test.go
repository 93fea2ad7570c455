package cart_test // want
