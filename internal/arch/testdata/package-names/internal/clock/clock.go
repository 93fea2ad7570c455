package time // want
