package core

import (
	"errors"
	"strings"
)

var errGone = errors.New("gone")

func judge(err error, text string) bool {
	switch {
	case strings.Contains(err.Error(), "gone"): // want
	case strings.HasPrefix(text, err.Error()): // want
	case err.Error() == "gone": // want
	case "gone" != err.Error(): // want
	case errors.Is(err, errGone), strings.Contains(text, "gone"), text == "gone":
	}
	return len(err.Error()) > 0
}
