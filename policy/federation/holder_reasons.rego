# METADATA
# title: Reasons at the holder
# description: >-
#   Why a question that may be asked is refused by one holder: the ground's own conditions are not met
#   there, the agreement does not bind it, or it cannot tell what is permitted now.
# custom:
#   citation: law/requirements.md section 1, suggested order of checks
package homeroom.federation.holder_reasons

import data.homeroom.federation.agreement
import data.homeroom.federation.agreement_reasons
import data.homeroom.federation.conditions
import data.homeroom.federation.elements
import data.homeroom.federation.ground
import data.homeroom.federation.matter
import data.homeroom.federation.query
import data.homeroom.federation.schools
import data.homeroom.federation.state
import data.homeroom.federation.withheld

codes contains code if some code in ground.codes

# METADATA
# custom: {citation: 34 CFR 300.9(c)(3)}
codes contains "authorization_state_stale" if not state.registry_confirmed

# METADATA
# custom: {citation: 34 CFR 300.9(c)(3)}
codes contains "authorization_state_stale" if {
	not state.consents_confirmed
	conditions.consents_decide
}

# METADATA
# custom: {citation: 34 CFR 300.622(b)(2) and (3)}
codes contains "idea_consent_required" if {
	input.query.basis == "none"
	matter.part_b_asks_consent
	some [_, "part_b"] in query.traits
}

codes contains code if {
	some code in agreement_reasons.codes
	agreement.relied_on
}

codes contains code if {
	not elements.some_granted
	some [element, code] in withheld.by_holder
	elements.permitted[element]
}

# The question names elements that may be shared, and the dataset has none of them.
codes contains "request_not_specific" if {
	not elements.some_held
	elements.some_permitted
}

# METADATA
# custom: {citation: 34 CFR 99.33(a)}
codes contains "agreement_party_mismatch" if {
	not agreement.holder_discloses
	agreement.known
	agreement.relied_on
}

# METADATA
# custom: {citation: requirements R59}
codes contains "agreement_school_out_of_scope" if {
	not schools.covered
	agreement.known
	agreement.purpose_agreed
}
