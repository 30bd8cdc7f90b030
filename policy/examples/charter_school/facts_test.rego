package homeroom.local.facts_test

import data.homeroom.local.facts

settings := {
	"never_share": ["course_grades"],
	"approval_required": ["test_scores"],
	"closed_to": ["shelter_network"],
	"schools": {"all": true},
	"min_ages": {"suspensions": 12},
	"min_cell_size": 10,
	"obligations": [],
}

test_template_is_complete if facts.settings_complete

test_incomplete_without_any_part if {
	every part, _ in settings {
		kept := object.remove(settings, [part])
		not facts.settings_complete with data.local as kept
	}
}

test_open_unless_closed if {
	facts.open_to_requester with input.query.requester as "household_a" with data.local as settings
	not facts.open_to_requester with input.query.requester as "shelter_network" with data.local as settings
	not facts.open_to_requester with input as {"query": {}} with data.local as settings
	not facts.open_to_requester with input as {"query": {"requester": 7}} with data.local as settings
}

test_ages_of_what_is_asked if {
	facts.min_ages == {"suspensions": 12} with input.query.elements as ["suspensions"] with data.local as settings
	facts.min_ages == {} with input.query.elements as ["gpa"] with data.local as settings
}

test_withholds_what_is_never_shared if {
	asked := ["attendance_rate", "course_grades"]
	facts.withheld == {{
		"element": "course_grades",
		"reason": "local_rule_withheld",
	}} with input.query.elements as asked with data.local as settings
}

approving(state, until) := {
	"now": "2026-03-10T14:00:00Z",
	"query": {"elements": ["test_scores"]},
	"approvals": [{"element": "test_scores", "state": state, "valid_to": until}],
}

waiting := {{"element": "test_scores", "reason": "approval_not_granted"}}

test_waits_for_an_approval if {
	facts.withheld == waiting with input.query.elements as ["test_scores"] with data.local as settings
	every state in ["pending", "denied", ""] {
		unapproved := approving(state, "2026-04-01T00:00:00Z")
		facts.withheld == waiting with input as unapproved with data.local as settings
	}
}

test_approved_until_it_lapses if {
	granted := approving("granted", "2026-03-10T14:00:00Z")
	facts.withheld == set() with input as granted with data.local as settings
	facts.ends == {"2026-03-10T14:00:00Z"} with input as granted with data.local as settings
	other := json.patch(granted, [{"op": "replace", "path": "/query/elements", "value": ["gpa"]}])
	facts.ends == set() with input as other with data.local as settings
	every past in ["2026-03-10T13:59:59Z", "2026-04-01", "later", 7] {
		facts.withheld == waiting with input as approving("granted", past) with data.local as settings
	}
}
