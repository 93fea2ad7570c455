package rule

import (
	_ "net/http/httputil" // want
)
