package contract

import "slices"

// Acceptance is a breaking change that was made on purpose.
type Acceptance struct {
	Rule    string `json:"rule"`
	Subject string `json:"subject"`
	Part    string `json:"part,omitempty"`
	Path    string `json:"path,omitempty"`
	Was     string `json:"was,omitempty"`
	Is      string `json:"is,omitempty"`
	Reason  string `json:"reason"`
}

func (a Acceptance) covers(c Change) bool {
	a.Reason = ""
	return a == Acceptance{Rule: c.Name, Subject: c.Subject, Part: c.Part, Path: c.Path, Was: c.Was, Is: c.Is}
}

// Accept marks the breaking changes that the list has with their reasons.
func Accept(changes []Change, list []Acceptance) {
	for i, c := range changes {
		if c.Weight != Breaking {
			continue
		}
		if n := slices.IndexFunc(list, func(a Acceptance) bool { return a.covers(c) }); n >= 0 {
			changes[i].Accepted = list[n].Reason
		}
	}
}

// AcceptAll adds what breaks to the list, for one reason.
func AcceptAll(changes []Change, list []Acceptance, reason string) []Acceptance {
	for _, c := range changes {
		if c.Breaks() {
			list = append(list, Acceptance{c.Name, c.Subject, c.Part, c.Path, c.Was, c.Is, reason})
		}
	}
	return list
}
