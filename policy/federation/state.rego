# METADATA
# title: State
# description: >-
#   Facts about how recently the holder confirmed agreements and consents. A revocation is only as
#   good as the holder's knowledge of it: what cannot be confirmed is refused.
# custom:
#   citation: 34 CFR 300.9(c)(3); requirements R15
package homeroom.federation.state

import data.homeroom.federation.clock
import data.homeroom.federation.conditions
import data.homeroom.federation.ground
import data.homeroom.federation.query

registry_confirmed if {
	is_number(input.state.registry_sequence)
	recent(clock.instant(input.state.registry_confirmed_at), input.holder.max_state_age_seconds)
}

# A court, or whoever helps in an emergency, may be unknown to the registry.
registry_confirmed if ground.terms.unregistered == true

consents_confirmed if {
	is_number(input.state.consent_sequence)
	recent(clock.instant(input.state.consent_confirmed_at), input.holder.max_state_age_seconds)
}

confirmed_elements := query.considered if consents_confirmed

confirmed_elements := query.considered - conditions.relying_on_consent if not consents_confirmed

recent(at, limit) if {
	is_number(limit)
	age := (clock.now - at) / 1000000000
	age <= limit
	age >= 0 - data.federation.clock_skew_seconds
}

ends_at := clock.seconds_after(min(relied_on), input.holder.max_state_age_seconds)

relied_on contains clock.instant(input.state.registry_confirmed_at) if not ground.terms.unregistered

relied_on contains clock.instant(input.state.consent_confirmed_at) if count(conditions.relying_on_consent) > 0
