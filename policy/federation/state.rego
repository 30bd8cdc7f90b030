# METADATA
# title: State
# description: >-
#   Facts about how recently the holder confirmed agreements and consents. A revocation is only as
#   good as the holder's knowledge of it: what cannot be confirmed is refused.
# custom:
#   citation: 34 CFR 300.9(c)(3); requirements R15
package homeroom.federation.state

import data.homeroom.federation.clock

confirmed if {
	is_number(input.state.registry_sequence)
	is_number(input.state.consent_sequence)
	every at in confirmations { recent(at, input.holder.max_state_age_seconds) }
}

confirmations := [
	clock.instant(input.state.registry_confirmed_at),
	clock.instant(input.state.consent_confirmed_at),
]

recent(at, limit) if {
	is_number(limit)
	age := (clock.now - at) / 1000000000
	age <= limit
	age >= 0 - data.federation.clock_skew_seconds
}

ends_at := clock.seconds_after(min(confirmations), input.holder.max_state_age_seconds)
