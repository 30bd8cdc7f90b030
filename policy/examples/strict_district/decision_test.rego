package homeroom.local.decision_test

import data.homeroom.local.decision

question := {
	"schema": 1,
	"now": "2026-03-10T14:00:00Z",
	"query": {"basis": "consent", "requester": "neighborhood_initiative", "elements": ["photo", "suspensions", "test_scores"]},
	"requester": {"kind": "community_org"},
}

test_takes_away if {
	decision.document == {
		"allow": true,
		"reasons": [],
		"withheld": [
			{"element": "photo", "reason": "local_rule_withheld"},
			{"element": "test_scores", "reason": "approval_not_granted"},
		],
		"schools": {"all": true},
		"min_cell_size": 20,
		"obligations": ["offer_copy_to_parent"],
		"conditions": {"suspensions": ["on_caseload"]},
		"min_ages": {"suspensions": 12},
	} with input as question
}

test_closed if {
	closed := json.patch(question, [{"op": "add", "path": "/query/basis", "value": "directory_information"}])
	decision.document == {
		"allow": false,
		"reasons": ["local_rule_withheld"],
		"withheld": [],
	} with input as closed
}

test_an_approval_opens_until_it_lapses if {
	approved := json.patch(question, [
		{"op": "add", "path": "/query/elements", "value": ["test_scores"]},
		{"op": "add", "path": "/approvals", "value": [{
			"element": "test_scores",
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
