# METADATA
# title: Reasons at the holder
# description: >-
#   Why a question that may be asked is refused by one holder: the agreement does not bind it, or
#   not for these schools, or it cannot tell what is permitted now.
# custom:
#   citation: law/requirements.md section 1, suggested order of checks
package homeroom.federation.holder_reasons

import data.homeroom.federation.agreement
import data.homeroom.federation.elements
import data.homeroom.federation.schools
import data.homeroom.federation.state

codes contains "authorization_state_stale" if not state.confirmed

codes contains code if {
	agreement.known
	some code in terms
}

# The question names elements that may be shared, and the dataset has none of them.
codes contains "request_not_specific" if {
	elements.some_permitted
	not elements.some_granted
}

terms contains "agreement_party_mismatch" if not agreement.holder_discloses

terms contains "agreement_school_out_of_scope" if {
	agreement.purpose_agreed
	not schools.covered
}
