package homeroom.federation.state_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.state

registry_at := "/state/registry_confirmed_at"

test_confirmed_within_the_limit if {
	every at in ["2026-03-10T13:59:30Z", "2026-03-10T14:00:00Z", "2026-03-10T14:00:05Z"] {
		state.confirmed with input as example.with_value(registry_at, at)
	}
}

test_not_confirmed_outside_the_limit if {
	every at in ["2026-03-10T13:59:29Z", "2026-03-10T14:00:06Z", "just now", 0] {
		not state.confirmed with input as example.with_value(registry_at, at)
	}
}

test_not_confirmed_without_any_part if {
	cases := [
		"/state", registry_at, "/state/consent_confirmed_at", "/state/registry_sequence",
		"/state/consent_sequence", "/holder/max_state_age_seconds", "/now",
	]
	every path in cases {
		not state.confirmed with input as example.without(path)
	}
}

test_limit_is_a_number if {
	not state.confirmed with input as example.with_value("/holder/max_state_age_seconds", "300")
}

test_ends_when_the_older_confirmation_is_too_old if {
	state.ends_at == "2026-03-10T14:00:25Z" with input as example.facts
}
