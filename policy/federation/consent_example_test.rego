# METADATA
# title: A batch of consents for the tests
# description: A parent's written form and a student's electronic one; all is in order.
package homeroom.federation.consent_example_test

facts := {
	"schema": 1,
	"now": "2026-03-10T14:00:00Z",
	"agreements": {"DSA-M1": {
		"elements": ["daily_attendance", "free_reduced_lunch_status", "suspensions"],
		"purposes": ["direct_service"],
		"recipients": ["class:after_school_programs", "neighborhood_initiative"],
	}},
	"papers": {
		"0": {
			"form": "written",
			"authenticated": false,
			"signed_on": "2025-09-04",
			"valid_from": "2025-09-01",
			"valid_to": "2026-08-31",
			"signer_relation": "parent",
			"signer_rights": "full",
			"postsecondary": false,
		},
		"1": {
			"form": "electronic",
			"authenticated": true,
			"signed_on": "2026-01-05",
			"valid_from": "2026-01-05",
			"valid_to": "2026-08-31",
			"signer_relation": "eligible_student",
			"signer_rights": "full",
			"postsecondary": false,
		},
	},
	"scopes": {"0": {
		"agreements": ["DSA-M1"],
		"all_education_records": false,
		"elements": ["daily_attendance", "course_grades"],
		"purposes": ["direct_service", "research"],
		"recipients": ["neighborhood_initiative"],
	}},
}

# The same batch with one member written over, or added.
with_value(path, value) := json.patch(facts, [{"op": "add", "path": path, "value": value}])

without(path) := json.remove(facts, [path])

test_example_has_every_part if {
	object.keys(facts) == {"schema", "now", "agreements", "papers", "scopes"}
}
