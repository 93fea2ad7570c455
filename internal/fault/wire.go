package fault

import (
	"encoding/json"
	"fmt"
)

// wire is the form of an Error outside the process. The cause is not in it.
type wire struct {
	Code    string            `json:"code"`
	Kind    string            `json:"kind"`
	Message string            `json:"message,omitzero"`
	Fields  []Field           `json:"fields,omitzero"`
	Details map[string]string `json:"details,omitzero"`
}

// MarshalJSON writes the error without its cause.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire{e.Code.name, e.Code.kind.String(), e.Message, e.Fields, e.Details})
}

// UnmarshalJSON reads what MarshalJSON wrote. A kind that is not known here, from
// a newer version, becomes KindInternal; the code keeps its name.
func (e *Error) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("read fault: %w", err)
	}
	if w.Code == "" {
		return fmt.Errorf("read fault: it has no code")
	}
	*e = Error{Code: Define(w.Code, KindOf(w.Kind)), Message: w.Message, Fields: w.Fields, Details: w.Details}
	return nil
}
