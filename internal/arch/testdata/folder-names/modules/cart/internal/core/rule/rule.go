package rule // want
