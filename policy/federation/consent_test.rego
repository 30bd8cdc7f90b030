package homeroom.federation.consent_test

import data.homeroom.federation.consent
import data.homeroom.federation.example_test as example

test_claimed if consent.claimed with input as example.facts

test_not_claimed if not consent.claimed with input as example.with_value("/query/basis", "studies")

test_every_element_needs_a_consent if {
	wanted := {"daily_attendance", "school_of_enrollment"}
	consent.consent_elements == wanted with input as example.facts
}

test_reason_and_obligations if {
	consent.reason == "permitted_by_consent"
	consent.obligations == {"inform_redisclosure_limits", "offer_copy_to_parent"}
}
