package homeroom.federation.question_reasons_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.question_reasons

test_none_when_all_is_in_order if question_reasons.codes == set() with input as example.facts

test_each_failure_has_its_code if {
	cases := {
		"/requester/standing": ["suspended", "org_suspended"],
		"/user/training_valid_to": ["2026-01-01", "user_untrained"],
		"/query/level": ["aggregate", "request_not_specific"],
		"/agreement/id": [7, "agreement_missing"],
		"/agreement/signed_by": [[], "agreement_not_fully_signed"],
		"/agreement/state": ["ended", "agreement_not_in_effect"],
		"/agreement/recipients": [[], "agreement_party_mismatch"],
		"/agreement/purposes": [[], "agreement_purpose_mismatch"],
		"/agreement/legal_basis": [["studies"], "purpose_not_permitted_by_basis"],
		"/agreement/authorized_roles": [[], "user_no_legitimate_interest"],
		"/agreement/elements": [[], "agreement_element_out_of_scope"],
	}
	every path, case in cases {
		question_reasons.codes == {case[1]} with input as example.with_value(path, case[0])
	}
}

test_unknown_ground if {
	facts := json.patch(example.facts, [
		{"op": "add", "path": "/query/basis", "value": "studies"},
		{"op": "add", "path": "/agreement/legal_basis", "value": ["studies"]},
	])
	question_reasons.codes == {"purpose_not_permitted_by_basis"} with input as facts
}

test_nobody if {
	question_reasons.codes == {"identity_not_authenticated"} with input as example.without("/user")
}

test_no_agreement if {
	question_reasons.codes == {"agreement_missing"} with input as example.without("/agreement")
}
