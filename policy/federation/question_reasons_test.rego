package homeroom.federation.question_reasons_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.question_reasons

test_none_when_all_is_in_order if {
	question_reasons.codes == set() with input as example.facts
	every basis in object.keys(example.needs) {
		question_reasons.codes == set() with input as example.claiming(basis)
	}
}

test_each_failure_has_its_code if {
	cases := {
		"/requester/standing": ["suspended", "org_suspended"],
		"/user/training_valid_to": ["2026-01-01", "user_untrained"],
		"/user/capacity": ["delegated", "user_delegation_invalid"],
		"/query/level": ["aggregate", "request_not_specific"],
		"/query/dataset": [7, "request_not_specific"],
		"/query/onward_to": [["shelter_network"], "redisclosure_not_permitted"],
		"/agreement/id": [7, "agreement_missing"],
		"/agreement/state": ["ended", "agreement_not_in_effect"],
		"/agreement/elements": [[], "agreement_element_out_of_scope"],
	}
	every path, case in cases {
		case[1] in question_reasons.codes with input as example.with_value(path, case[0])
	}
}

test_ground_that_names_students if {
	nobody := example.changed(example.claiming("transfer"), "/query/named_students", 0)
	question_reasons.codes == {"request_not_specific"} with input as nobody
}

test_marketing if {
	facts := example.changed(example.claiming("transfer"), "/query/purpose", "marketing")
	question_reasons.codes == {"purpose_not_permitted_by_basis"} with input as facts
}

test_unknown_ground if {
	none := example.with_value("/query/basis", "none")
	question_reasons.codes == {"consent_missing"} with input as none
	other := example.with_value("/query/basis", "friendship")
	question_reasons.codes == {"purpose_not_permitted_by_basis"} with input as other
}

test_nobody if {
	"identity_not_authenticated" in question_reasons.codes with input as example.without("/user")
}

test_no_agreement if {
	question_reasons.codes == {"agreement_missing"} with input as example.without("/agreement")
}

test_the_gateway_does_not_know_who_is_an_outsider if {
	facts := json.remove(example.claiming("school_official"), ["/agreement"])
	question_reasons.codes == set() with input as facts
}

test_passing_on_is_refused_only_under_a_ground if {
	none := example.with_value("/query/basis", "none")
	passing_on := example.changed(none, "/query/onward_to", ["shelter_network"])
	question_reasons.codes == {"consent_missing"} with input as passing_on
}
