package homeroom.federation.holder_reasons_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.holder_reasons

test_none_when_all_is_in_order if holder_reasons.codes == set() with input as example.facts

test_each_failure_has_its_code if {
	cases := {
		"/state/consent_confirmed_at": ["2026-03-10T13:00:00Z", "authorization_state_stale"],
		"/agreement/disclosers": [[], "agreement_party_mismatch"],
		"/query/schools": [["other_school"], "agreement_school_out_of_scope"],
		"/holder/dataset_elements": [[], "request_not_specific"],
	}
	every path, case in cases {
		holder_reasons.codes == {case[1]} with input as example.with_value(path, case[0])
	}
}

test_terms_of_no_agreement_are_not_reasons if {
	holder_reasons.codes == set() with input as example.without("/agreement")
}
