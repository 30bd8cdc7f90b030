package homeroom.local.decision_test

import data.homeroom.local.decision

question := {
	"schema": 1,
	"now": "2026-03-10T14:00:00Z",
	"query": {"requester": "neighborhood_initiative", "level": "student", "named_students": 2, "elements": ["free_reduced_lunch_status", "gpa", "living_situation"]},
	"requester": {"kind": "community_org"},
}

test_takes_away if {
	decision.document == {
		"allow": true,
		"reasons": [],
		"withheld": [
			{"element": "free_reduced_lunch_status", "reason": "approval_not_granted"},
			{"element": "living_situation", "reason": "local_rule_withheld"},
		],
		"schools": {"only": ["bright_academy_lower", "bright_academy_upper"]},
		"min_cell_size": 15,
		"obligations": [],
		"conditions": {},
		"min_ages": {},
	} with input as question
}

test_closed if {
	closed := json.patch(question, [{"op": "add", "path": "/query/requester", "value": "quick_tutor_llc"}])
	decision.document == {
		"allow": false,
		"reasons": ["local_rule_withheld"],
		"withheld": [],
	} with input as closed
}

test_an_approval_opens_until_it_lapses if {
	approved := json.patch(question, [
		{"op": "add", "path": "/query/elements", "value": ["free_reduced_lunch_status"]},
		{"op": "add", "path": "/approvals", "value": [{
			"element": "free_reduced_lunch_status",
			"state": "granted",
			"valid_to": "2026-03-31T00:00:00Z",
		}]},
	])
	document := decision.document with input as approved
	document.withheld == []
	document.not_after == "2026-03-31T00:00:00Z"
}

test_no_document_without_settings_or_schema if {
	not decision.document with input as question with data.local as {}
	not decision.document with input as {}
}
