package homeroom.local.decision_test

import data.homeroom.local.decision

question := {
	"schema": 1,
	"query": {"requester": "neighborhood_initiative", "elements": ["course_grades", "gpa"]},
}

settings := {
	"never_share": ["gpa"],
	"approval_required": ["course_grades"],
	"closed_to": [],
	"schools": {"only": ["elm_k8"]},
	"min_ages": {"course_grades": 12},
	"min_cell_size": 15,
	"obligations": ["offer_hearing"],
}

test_template_takes_nothing_away if {
	decision.document == {
		"allow": true,
		"reasons": [],
		"withheld": [],
		"schools": {"all": true},
		"min_cell_size": 10,
		"obligations": [],
		"conditions": {},
		"min_ages": {},
	} with input as question
}

test_takes_away_what_the_file_says if {
	decision.document == {
		"allow": true,
		"reasons": [],
		"withheld": [
			{"element": "course_grades", "reason": "approval_not_granted"},
			{"element": "gpa", "reason": "local_rule_withheld"},
		],
		"schools": {"only": ["elm_k8"]},
		"min_cell_size": 15,
		"obligations": ["offer_hearing"],
		"conditions": {},
		"min_ages": {"course_grades": 12},
	} with input as question with data.local as settings
}

test_ends_with_the_approval_it_relies_on if {
	approved := object.union(question, {
		"now": "2026-03-10T14:00:00Z",
		"approvals": [{
			"element": "course_grades",
			"state": "granted",
			"valid_to": "2026-03-10T15:00:00Z",
		}],
	})
	document := decision.document with input as approved with data.local as settings
	document.not_after == "2026-03-10T15:00:00Z"
	document.withheld == [{"element": "gpa", "reason": "local_rule_withheld"}]
}

test_refuses_a_closed_requester if {
	closed := object.union(settings, {"closed_to": ["neighborhood_initiative"]})
	decision.document == {
		"allow": false,
		"reasons": ["local_rule_withheld"],
		"withheld": [],
	} with input as question with data.local as closed
}

test_no_document_without_settings_or_schema if {
	not decision.document with input as question with data.local as {}
	not decision.document with input as {}
	not decision.document with input as object.union(question, {"schema": 2})
	every part, _ in settings {
		kept := object.remove(settings, [part])
		not decision.document with input as question with data.local as kept
	}
}

test_refuses_what_the_rules_close if {
	refused := decision.document with input as question with data.homeroom.local.rules.open as false
	refused.allow == false
}
