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
	conditions.consents_decide
	not state.consents_confirmed
}

# METADATA
# custom: {citation: 34 CFR 300.622(b)(2) and (3)}
codes contains "idea_consent_required" if {
	input.query.basis == "none"
	matter.part_b_asks_consent
	some [_, "part_b"] in query.traits
}

codes contains code if {
	not agreement.dispensed
	some code in agreement_reasons.codes
}

codes contains code if {
	not agreement.dispensed
	agreement.known
	some code in terms
}

codes contains code if {
	elements.some_permitted
	not elements.some_granted
	some [element, code] in withheld.by_holder
	elements.permitted[element]
}

# The question names elements that may be shared, and the dataset has none of them.
codes contains "request_not_specific" if {
	elements.some_permitted
	not elements.some_held
}

# METADATA
# custom: {citation: 34 CFR 99.33(a)}
terms contains "agreement_party_mismatch" if not agreement.holder_discloses

# METADATA
# custom: {citation: requirements R59}
terms contains "agreement_school_out_of_scope" if {
	agreement.purpose_agreed
	not schools.covered
}
