package models // want
