package homeroom.federation.agreement_test

import data.homeroom.federation.agreement
import data.homeroom.federation.example_test as example

facts := {
	"known", "fully_signed", "in_effect", "requester_receives", "holder_discloses",
	"purpose_agreed", "basis_agreed", "level_agreed", "terms_complete", "relied_on",
}

holds contains fact if {
	some fact, value in agreement
	value == true
}

test_all_hold if {
	holds == facts with input as example.facts
	agreement.ends_at == "2026-07-31T23:59:59Z" with input as example.facts
}

test_none_holds_without_agreement if {
	holds == {"relied_on", "terms_complete"} with input as example.without("/agreement")
}

test_who_needs_none if {
	every basis in ["transfer", "emergency", "aggregate"] {
		agreement.dispensed with input as example.claiming(basis)
		not agreement.ends_at with input as example.claiming(basis)
	}
	official := example.claiming("school_official")
	not agreement.dispensed with input as official
	agreement.dispensed with input as example.changed(official, "/user/employee_of_holder", true)
	audit := example.claiming("audit_evaluation")
	not agreement.dispensed with input as audit
	agreement.dispensed with input as example.changed(audit, "/user/employee_of_authority", true)
	not agreement.dispensed with input as example.with_value("/user/employee_of_authority", true)
	study := example.claiming("studies")
	not agreement.dispensed with input as example.changed(study, "/user/employee_of_holder", true)
}

test_each_fact_fails_alone if {
	cases := {
		"/agreement/id": [1, "known"],
		"/agreement/kind": [1, "known"],
		"/agreement/version": ["1", "known"],
		"/agreement/state": ["ended", "in_effect"],
		"/agreement/effective_from": ["2026-03-11", "in_effect"],
		"/agreement/effective_to": ["2026-03-09", "in_effect"],
		"/agreement/signed_by": [["harbor_ps"], "fully_signed"],
		"/agreement/parties/-": ["shelter_network", "fully_signed"],
		"/agreement/disclosers/-": ["shelter_network", "fully_signed"],
		"/agreement/recipients/-": ["shelter_network", "fully_signed"],
		"/agreement/recipients": [["harbor_ps"], "requester_receives"],
		"/agreement/disclosers": [["neighborhood_initiative"], "holder_discloses"],
		"/query/purpose": ["research", "purpose_agreed"],
		"/agreement/legal_basis": [["studies"], "basis_agreed"],
		"/agreement/level": ["aggregate", "level_agreed"],
	}
	every path, case in cases {
		facts - {case[1]} == holds with input as example.with_value(path, case[0])
	}
}

test_both_must_be_parties if {
	outsiders := example.with_value("/agreement/parties", ["shelter_network"])
	not agreement.requester_receives with input as outsiders
	not agreement.holder_discloses with input as outsiders
}

test_first_and_last_day_are_in_effect if {
	agreement.in_effect with input as example.with_value("/now", "2025-08-01T00:00:00Z")
	agreement.in_effect with input as example.with_value("/now", "2026-07-31T23:59:59Z")
}

test_a_level_includes_those_below_it if {
	wide := example.with_value("/query/level", "aggregate")
	agreement.level_agreed with input as wide
	narrow := json.patch(wide, [{"op": "add", "path": "/agreement/level", "value": "aggregate"}])
	agreement.level_agreed with input as narrow
}
