package homeroom.federation.decision_test

import data.homeroom.federation.decision
import data.homeroom.federation.example_test as example

test_allowed if {
	decision.document == {
		"allow": true,
		"reasons": ["permitted_by_consent"],
		"withheld": [],
		"grant": {
			"elements": {"daily_attendance": ["consented"], "school_of_enrollment": ["consented"]},
			"schools": {"only": ["elm_k8", "river_high"]},
		},
		"min_cell_size": 5,
		"obligations": ["inform_redisclosure_limits", "offer_copy_to_parent"],
		"row_obligations": ["attach_contested_statement"],
		"not_after": "2026-03-10T14:00:25Z",
	} with input as example.facts
}

test_part_is_withheld if {
	facts := example.with_value("/query/elements", ["daily_attendance", "gpa", "ssn"])
	document := decision.document with input as facts
	document.grant.elements == {"daily_attendance": ["consented"]}
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
	trained := json.patch(last_day, [
		{"op": "add", "path": "/now", "value": "2026-03-10T23:59:50Z"},
		{"op": "add", "path": "/user/training_valid_to", "value": "2026-03-10"},
		{"op": "add", "path": "/state/registry_confirmed_at", "value": "2026-03-10T23:59:50Z"},
		{"op": "add", "path": "/state/consent_confirmed_at", "value": "2026-03-10T23:59:50Z"},
	])
	until_training_ends := decision.document with input as trained
	until_training_ends.not_after == "2026-03-10T23:59:59Z"
}

test_another_schema_has_no_document if {
	not decision.document with input as example.with_value("/schema", 2)
	not decision.document with input as {}
}

test_every_ground_can_be_allowed if {
	every basis in object.keys(example.needs) - {"directory_information", "partner_record"} {
		document := decision.document with input as example.claiming(basis)
		document.reasons == [data.federation.grounds[basis].reason]
	}
}

test_a_matter_and_a_delegation_end if {
	facts := example.changed(example.claiming("emergency"), "/matters/emergency/valid_to", "2026-03-10T15:00:00Z")
	document := decision.document with input as facts
	document.not_after == "2026-03-10T15:00:00Z"
	delegated := json.patch(facts, [
		{"op": "add", "path": "/user/capacity", "value": "delegated"},
		{"op": "add", "path": "/user/delegation", "value": {
			"by": "registrar-1",
			"valid_to": "2026-03-10",
			"withdrawn": false,
			"covers": {"all": true},
		}},
		{"op": "add", "path": "/matters/emergency/valid_to", "value": "2026-03-11T00:00:00Z"},
	])
	shorter := decision.document with input as delegated
	shorter.not_after == "2026-03-10T23:59:59Z"
}

test_what_dispenses_with_a_consent_ends if {
	transfer := example.asking(example.claiming("transfer"), ["iep"])
	idea := object.union(example.held({"situation": "none"}), {"valid_to": "2026-03-10T14:00:09Z"})
	document := decision.document with input as example.changed(transfer, "/matters/idea", idea)
	document.grant.elements == {"iep": ["named_in_matter"]}
	document.not_after == "2026-03-10T14:00:09Z"
}
