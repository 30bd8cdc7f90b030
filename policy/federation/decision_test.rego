package homeroom.federation.decision_test

import data.homeroom.federation.decision
import data.homeroom.federation.example_test as example

test_allowed if {
	decision.document == {
		"allow": true,
		"reasons": ["permitted_by_consent"],
		"withheld": [],
		"grant": {
			"elements": ["daily_attendance", "school_of_enrollment"],
			"schools": {"only": ["elm_k8", "river_high"]},
			"consent_elements": ["daily_attendance", "school_of_enrollment"],
		},
		"min_cell_size": 10,
		"obligations": ["inform_redisclosure_limits", "offer_copy_to_parent"],
		"not_after": "2026-03-10T14:00:25Z",
	} with input as example.facts
}

test_part_is_withheld if {
	facts := example.with_value("/query/elements", ["daily_attendance", "gpa", "ssn"])
	document := decision.document with input as facts
	document.grant.elements == ["daily_attendance"]
	document.withheld == [
		{"element": "gpa", "reason": "agreement_element_out_of_scope"},
		{"element": "ssn", "reason": "user_no_legitimate_interest"},
	]
}

test_refused_document_has_no_grant if {
	decision.document == {
		"allow": false,
		"reasons": ["agreement_missing"],
		"withheld": [],
	} with input as example.without("/agreement")
}

test_reasons_are_sorted if {
	facts := json.patch(example.facts, [
		{"op": "add", "path": "/requester/standing", "value": "suspended"},
		{"op": "add", "path": "/agreement/state", "value": "ended"},
	])
	document := decision.document with input as facts
	document.reasons == ["agreement_not_in_effect", "org_suspended"]
}

test_the_earliest_end_counts if {
	last_day := json.patch(example.facts, [
		{"op": "add", "path": "/now", "value": "2026-07-31T23:59:50Z"},
		{"op": "add", "path": "/state/registry_confirmed_at", "value": "2026-07-31T23:59:50Z"},
		{"op": "add", "path": "/state/consent_confirmed_at", "value": "2026-07-31T23:59:50Z"},
	])
	document := decision.document with input as last_day
	document.not_after == "2026-07-31T23:59:59Z"
}

test_another_schema_has_no_document if {
	not decision.document with input as example.with_value("/schema", 2)
	not decision.document with input as {}
}
