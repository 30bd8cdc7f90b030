package homeroom.federation.agreement_test

import data.homeroom.federation.agreement
import data.homeroom.federation.example_test as example

holds contains fact if {
	some fact, value in agreement
	value == true
}

facts := {
	"known", "fully_signed", "in_effect", "requester_receives", "holder_discloses",
	"purpose_agreed", "basis_agreed", "level_agreed",
}

test_all_hold if {
	holds == facts with input as example.facts
	agreement.ends_at == "2026-07-31T23:59:59Z" with input as example.facts
}

test_none_holds_without_agreement if holds == set() with input as example.without("/agreement")

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
		"/query/basis": ["studies", "basis_agreed"],
		"/agreement/level": ["aggregate", "level_agreed"],
	}
	every path, case in cases {
		facts - {case[1]} == holds with input as example.with_value(path, case[0])
	}
}

test_a_level_includes_those_below_it if {
	wide := example.with_value("/query/level", "aggregate")
	agreement.level_agreed with input as wide
	narrow := json.patch(wide, [{"op": "add", "path": "/agreement/level", "value": "aggregate"}])
	agreement.level_agreed with input as narrow
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
