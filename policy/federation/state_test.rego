package homeroom.federation.state_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.state

registry_at := "/state/registry_confirmed_at"

consent_at := "/state/consent_confirmed_at"

test_confirmed_within_the_limit if {
	every at in ["2026-03-10T13:59:30Z", "2026-03-10T14:00:00Z", "2026-03-10T14:00:05Z"] {
		state.registry_confirmed with input as example.with_value(registry_at, at)
		state.consents_confirmed with input as example.with_value(consent_at, at)
	}
}

test_not_confirmed_outside_the_limit if {
	every at in ["2026-03-10T13:59:29Z", "2026-03-10T14:00:06Z", "just now", 0] {
		not state.registry_confirmed with input as example.with_value(registry_at, at)
		not state.consents_confirmed with input as example.with_value(consent_at, at)
	}
}

test_not_confirmed_without_any_part if {
	every path in ["/state", registry_at, "/state/registry_sequence", "/holder/max_state_age_seconds", "/now"] {
		not state.registry_confirmed with input as example.without(path)
	}
	every path in ["/state", consent_at, "/state/consent_sequence", "/holder/max_state_age_seconds", "/now"] {
		not state.consents_confirmed with input as example.without(path)
	}
}

test_limit_is_a_number if {
	not state.registry_confirmed with input as example.with_value("/holder/max_state_age_seconds", "300")
}

test_a_court_is_in_no_registry if {
	alone := json.remove(example.claiming("judicial_order"), ["/state"])
	state.registry_confirmed with input as alone
	not state.ends_at with input as alone
}

test_only_what_relies_on_consents_waits_for_them if {
	study := example.asking(example.claiming("studies"), ["gpa", "survey_protected_responses"])
	state.confirmed_elements == {"gpa", "survey_protected_responses"} with input as study
	state.confirmed_elements == {"gpa"} with input as json.remove(study, [consent_at])
	state.confirmed_elements == set() with input as example.without(consent_at)
}

test_ends_when_the_older_confirmation_is_too_old if {
	state.ends_at == "2026-03-10T14:00:25Z" with input as example.facts
	behind := example.with_value(consent_at, "2026-03-10T13:59:40Z")
	state.ends_at == "2026-03-10T14:00:10Z" with input as behind
	study := example.changed(example.claiming("studies"), consent_at, "2026-03-10T13:59:40Z")
	state.ends_at == "2026-03-10T14:00:25Z" with input as study
}
