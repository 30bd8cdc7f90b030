package homeroom.federation.agreement_reasons_test

import data.homeroom.federation.agreement_reasons
import data.homeroom.federation.example_test as example

test_none_when_all_is_in_order if agreement_reasons.codes == set() with input as example.facts

test_each_failure_has_its_code if {
	cases := {
		"/agreement/id": [7, "agreement_missing"],
		"/agreement/signed_by": [[], "agreement_not_fully_signed"],
		"/agreement/state": ["ended", "agreement_not_in_effect"],
		"/agreement/recipients": [[], "agreement_party_mismatch"],
		"/agreement/purposes": [[], "agreement_purpose_mismatch"],
		"/agreement/legal_basis": [["studies"], "purpose_not_permitted_by_basis"],
		"/agreement/authorized_roles": [[], "user_no_legitimate_interest"],
	}
	every path, case in cases {
		agreement_reasons.codes == {case[1]} with input as example.with_value(path, case[0])
	}
}

test_a_study_needs_its_terms if {
	every basis in ["studies", "audit_evaluation"] {
		facts := example.claiming(basis)
		agreement_reasons.codes == set() with input as facts
		lacking := json.remove(facts, ["/agreement/terms/0"])
		agreement_reasons.codes == {"agreement_terms_incomplete"} with input as lacking
	}
}

test_nobody_has_no_role if agreement_reasons.codes == set() with input as example.without("/user")

test_no_agreement if {
	agreement_reasons.codes == {"agreement_missing"} with input as example.without("/agreement")
	study := json.remove(example.claiming("studies"), ["/agreement"])
	agreement_reasons.codes == {"agreement_missing"} with input as study
}
