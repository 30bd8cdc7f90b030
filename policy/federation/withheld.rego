# METADATA
# title: Withheld elements
# description: >-
#   Why an element that was asked for is not in the answer: one line for each check, and the first
#   that fails is the reason given. What is granted is not derived from here.
# custom:
#   citation: law/requirements.md section 1, suggested order of checks
#   ssn: >-
#     Refused as user_no_legitimate_interest. No purpose of the federation needs the number, so
#     nobody has a need to know it; it is an education record, and no agreement could list it.
package homeroom.federation.withheld

import data.homeroom.federation.agreed
import data.homeroom.federation.agreement
import data.homeroom.federation.delegation
import data.homeroom.federation.derived
import data.homeroom.federation.elements
import data.homeroom.federation.ground
import data.homeroom.federation.protected
import data.homeroom.federation.query
import data.homeroom.federation.state

# METADATA
# custom: {citation: "34 CFR 99.3, 99.8"}
by_question contains [element, code] if {
	some element in query.never_shared
	code := data.federation.never_shared[element]
}

# METADATA
# custom: {citation: "PTAC, written agreement checklist; requirements R59"}
by_question contains [element, "agreement_element_out_of_scope"] if {
	agreement.known
	agreement.purpose_agreed
	some element in (query.asked - agreed.arguable)
}

# METADATA
# custom: {citation: 34 CFR 99.31(c)}
by_question contains [element, "user_delegation_invalid"] if some element in (query.asked - delegation.covered)

# METADATA
# custom: {citation: "42 USC 1758(b)(6); 34 CFR 99.31(b), 99.32(c)"}
by_question contains [element, code] if {
	some element in (query.asked - protected.open)
	some trait in data.federation.traits[element]
	code := protected.codes[trait]
}

by_holder contains entry if some entry in ground.withheld

# METADATA
# custom: {citation: "PTAC, written agreement checklist; requirements R59"}
by_holder contains [element, "agreement_element_out_of_scope"] if {
	agreement.known
	agreement.purpose_agreed
	some element in (query.asked - agreed.elements)
}

# METADATA
# custom: {citation: 34 CFR 300.9(c)(3)}
by_holder contains [element, "authorization_state_stale"] if some element in (query.asked - state.confirmed_elements)

# METADATA
# custom: {citation: 34 CFR 99.30(b)(1)}
by_holder contains [element, "consent_element_out_of_scope"] if some element in (query.asked - derived.supported)

entries contains {"element": element, "reason": first(codes)} if {
	some element in (query.asked - elements.granted)
	failed := by_question | by_holder
	codes := {code | some [named, code] in failed; named == element}
}

# Most elements fail one check, and need no order.
first(codes) := code if {
	count(codes) == 1
	some code in codes
}

first(codes) := [code | some code in data.federation.order_of_checks; code in codes][0] if count(codes) > 1
