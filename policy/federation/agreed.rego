# METADATA
# title: Agreed elements
# description: >-
#   The elements that the agreement has for this purpose. Where the ground needs no agreement there is
#   none to limit them.
# custom:
#   citation: requirements R57, R59 and section 2.1
package homeroom.federation.agreed

import data.homeroom.federation.agreement
import data.homeroom.federation.ground
import data.homeroom.federation.query

# What the agreement lists is for the purpose that is asked, and up to a level.
listed contains element if {
	agreement.level_agreed
	considered := query.considered
	some element in input.agreement.elements
	considered[element]
}

elements := query.considered if agreement.dispensed

elements := listed if agreement.relied_on

# What the gateway cannot rule out: whether the user is the holder's own is for the holder to say.
arguable := query.considered if ground.terms.agreement == "outsiders"

arguable := elements if ground.terms.agreement in {"always", "none"}
