package cart // want
