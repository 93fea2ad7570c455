package sandbox

import (
	"net/http"
	"strconv"
)

// listLimit is the most that one page holds, and what it holds unless asked.
const listLimit = 100

type list struct {
	Items      []item  `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// list answers GET /charges: all of them by pages, or those with a reference, an
// id, or an idempotency key, under which they were made or acted upon.
func (s *Sandbox) list(w http.ResponseWriter, r *http.Request) {
	limit := listLimit
	q := r.URL.Query()
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > listLimit {
			refuse(w, http.StatusBadRequest, "invalid_request", "limit is a number from 1 to 100")
			return
		}
		limit = n
	}
	query, args := `SELECT `+columns+` FROM charges WHERE id > ?`, []any{q.Get("cursor")}
	if q.Has("reference") {
		query, args = query+` AND reference = ?`, append(args, q.Get("reference"))
	}
	if q.Has("id") {
		query, args = query+` AND id = ?`, append(args, q.Get("id"))
	}
	if q.Has("idempotency_key") {
		key := q.Get("idempotency_key")
		query += ` AND (idempotency_key = ? OR id IN (SELECT charge_id FROM actions WHERE idempotency_key = ?))`
		args = append(args, key, key)
	}
	rows, err := s.rows(r.Context(), query+` ORDER BY id LIMIT ?`, append(args, limit+1)...)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	out := list{Items: []item{}}
	for i, c := range rows {
		if i == limit {
			out.NextCursor = &out.Items[limit-1].ID
			break
		}
		out.Items = append(out.Items, c.item())
	}
	answer(w, http.StatusOK, out)
}

// show answers GET /charges/{id} with all that is known of one.
func (s *Sandbox) show(w http.ResponseWriter, r *http.Request) {
	c, found, err := s.byID(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		s.broken(w, r, err)
	case !found:
		refuse(w, http.StatusNotFound, "unknown_charge", "there is no such charge")
	default:
		answer(w, http.StatusOK, c.full())
	}
}
