package homeroom.federation.withheld_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.withheld

entry(element, reason) := {{"element": element, "reason": reason}}

test_nothing_is_withheld_where_all_is_in_order if withheld.entries == set() with input as example.facts

test_never_shared if {
	every element, code in data.federation.never_shared {
		withheld.entries == entry(element, code) with input as example.asking(example.facts, [element])
	}
}

test_not_agreed if {
	asked := example.with_value("/query/elements", ["daily_attendance", "gpa"])
	withheld.entries == entry("gpa", "agreement_element_out_of_scope") with input as asked
	withheld.by_holder == {["gpa", "agreement_element_out_of_scope"]} with input as asked
}

test_not_delegated if {
	asked := json.patch(example.facts, [
		{"op": "add", "path": "/user/capacity", "value": "delegated"},
		{"op": "add", "path": "/user/delegation", "value": {"covers": {"only": ["daily_attendance"]}}},
	])
	withheld.entries == entry("school_of_enrollment", "user_delegation_invalid") with input as asked
}

test_protected if {
	asked := example.asking(example.claiming("transfer"), ["gpa", "free_reduced_lunch_status"])
	withheld.entries == entry("free_reduced_lunch_status", "protected_meal_eligibility") with input as asked
}

test_by_the_ground if {
	asked := example.asking(example.claiming("emergency"), ["daily_attendance", "gpa"])
	withheld.entries == entry("gpa", "emergency_scope_exceeded") with input as asked
}

test_by_the_state if {
	stale := json.remove(example.facts, ["/state/consent_confirmed_at"])
	withheld.by_holder == {
		["daily_attendance", "authorization_state_stale"],
		["school_of_enrollment", "authorization_state_stale"],
	} with input as stale
}

test_by_a_source if {
	asked := example.asking(example.facts, ["early_warning_flag"])
	withheld.entries == entry("early_warning_flag", "consent_element_out_of_scope") with input as asked
}

test_first_failed_check_is_the_reason if {
	asked := example.with_value("/query/elements", ["daily_attendance", "disclosure_record"])
	withheld.entries == entry("disclosure_record", "record_inspection_not_permitted") with input as asked
	{["disclosure_record", "agreement_element_out_of_scope"]} & withheld.by_question != set() with input as asked
}

test_every_refusal_has_its_place_in_the_order if {
	count(data.federation.order_of_checks) == count({code | some code in data.federation.order_of_checks})
}

test_scope_is_told_of_an_agreement_about_this_purpose_only if {
	asked := example.with_value("/query/elements", ["daily_attendance", "gpa"])
	outside := ["gpa", "agreement_element_out_of_scope"]
	outside in (withheld.by_question & withheld.by_holder) with input as asked
	unknown := json.remove(asked, ["/agreement/id"])
	other := example.changed(asked, "/query/purpose", "research")
	every facts in [unknown, other] {
		not outside in withheld.by_question with input as facts
		not outside in withheld.by_holder with input as facts
	}
}
