package homeroom.local.decision_test

import data.homeroom.local.decision

question := {
	"schema": 1,
	"now": "2026-03-10T14:00:00Z",
	"query": {"basis": "partner_record", "requester": "harbor_ps", "elements": ["case_notes", "program_participation"], "onward_to": []},
	"requester": {"kind": "district"},
}

test_takes_away if {
	decision.document == {
		"allow": true,
		"reasons": [],
		"withheld": [{"element": "case_notes", "reason": "local_rule_withheld"}],
		"schools": {"all": true},
		"min_cell_size": 25,
		"obligations": [],
		"conditions": {
			"case_notes": ["consented", "on_caseload"],
			"program_participation": ["consented", "on_caseload"],
		},
		"min_ages": {},
	} with input as question
}

test_closed if {
	closed := json.patch(question, [{"op": "add", "path": "/query/requester", "value": "city_police"}])
	decision.document == {
		"allow": false,
		"reasons": ["local_rule_withheld"],
		"withheld": [],
	} with input as closed
}

test_an_approval_opens_until_it_lapses if {
	approved := json.patch(question, [
		{"op": "add", "path": "/query/elements", "value": ["program_attendance"]},
		{"op": "add", "path": "/approvals", "value": [{
			"element": "program_attendance",
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
