package homeroom.federation.ground_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.ground

test_consent_is_known if {
	ground.known with input as example.facts
	ground.reason == "permitted_by_consent" with input as example.facts
	count(ground.obligations) == 2 with input as example.facts
	count(ground.consent_elements) == 2 with input as example.facts
}

test_not_known if {
	every basis in ["studies", "none", "", 7] {
		not ground.known with input as example.with_value("/query/basis", basis)
	}
}

test_no_basis_is_not_known if not ground.known with input as example.without("/query/basis")
