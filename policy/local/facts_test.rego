package homeroom.local.facts_test

import data.homeroom.local.facts

settings := {
	"never_share": ["course_grades"],
	"closed_to": ["shelter_network"],
	"schools": {"all": true},
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
}

test_withholds_what_is_never_shared if {
	asked := ["attendance_rate", "course_grades"]
	facts.withheld == {{
		"element": "course_grades",
		"reason": "local_rule_withheld",
	}} with input.query.elements as asked with data.local as settings
}
