package homeroom.federation.holder_reasons_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.holder_reasons

test_none_when_all_is_in_order if {
	holder_reasons.codes == set() with input as example.facts
	every basis in object.keys(example.needs) - {"directory_information", "partner_record"} {
		holder_reasons.codes == set() with input as example.claiming(basis)
	}
}

test_each_failure_has_its_code if {
	cases := {
		"/state/registry_confirmed_at": ["2026-03-10T13:00:00Z", "authorization_state_stale"],
		"/state/consent_confirmed_at": ["2026-03-10T13:00:00Z", "authorization_state_stale"],
		"/agreement/disclosers": [[], "agreement_party_mismatch"],
		"/agreement/state": ["ended", "agreement_not_in_effect"],
		"/query/schools": [["other_school"], "agreement_school_out_of_scope"],
		"/holder/dataset_elements": [[], "request_not_specific"],
	}
	every path, case in cases {
		holder_reasons.codes == {case[1]} with input as example.with_value(path, case[0])
	}
}

test_conditions_of_the_ground if {
	facts := json.remove(example.claiming("child_welfare"), ["/matters"])
	holder_reasons.codes == {"child_welfare_not_responsible"} with input as facts
}

test_part_b_without_a_ground if {
	facts := json.patch(example.facts, [
		{"op": "add", "path": "/query/basis", "value": "none"},
		{"op": "add", "path": "/query/elements", "value": ["iep"]},
		{"op": "add", "path": "/matters", "value": {"idea": example.held({"situation": "transition_services"})}},
	])
	"idea_consent_required" in holder_reasons.codes with input as facts
	every path, value in {"/matters/idea/situation": "none", "/query/elements": ["gpa"]} {
		other := example.changed(facts, path, value)
		not "idea_consent_required" in holder_reasons.codes with input as other
	}
}

test_outsiders_need_an_agreement if {
	facts := json.remove(example.claiming("school_official"), ["/agreement"])
	holder_reasons.codes == {"agreement_missing", "agreement_element_out_of_scope"} & holder_reasons.codes with input as facts
	"agreement_missing" in holder_reasons.codes with input as facts
	employee := example.changed(facts, "/user/employee_of_holder", true)
	holder_reasons.codes == set() with input as employee
}

test_terms_of_no_agreement_are_not_reasons if {
	holder_reasons.codes == {"agreement_missing"} with input as example.without("/agreement")
}

test_stale_consents_are_said_where_nothing_is_agreed_either if {
	asked := example.changed(example.without("/state/consent_confirmed_at"), "/query/elements", ["gpa"])
	"authorization_state_stale" in holder_reasons.codes with input as asked
}

test_an_agreement_that_is_not_relied_on_gives_no_reasons if {
	transfer := example.changed(example.claiming("transfer"), "/agreement/disclosers", [])
	holder_reasons.codes == set() with input as transfer
}

test_schools_of_what_is_no_agreement_are_not_told if {
	elsewhere := example.changed(example.without("/agreement/id"), "/query/schools", ["other_school"])
	holder_reasons.codes == {"agreement_missing"} with input as elsewhere
}

# What the question's own facts withhold is said by the question.
test_only_what_the_holder_takes_away_is_a_reason_of_the_holder if {
	study := example.asking(example.claiming("studies"), ["survey_protected_responses", "ssn"])
	stale := json.remove(study, ["/state/consent_confirmed_at"])
	holder_reasons.codes == {"authorization_state_stale"} with input as stale
}
