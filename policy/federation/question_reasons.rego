# METADATA
# title: Reasons about the question
# description: >-
#   Why a question is refused wherever it is asked. Each line is the failure of one fact. A line
#   with a second condition keeps its code away where another already says it.
# custom:
#   citation: law/requirements.md section 1, suggested order of checks
package homeroom.federation.question_reasons

import data.homeroom.federation.agreement_reasons
import data.homeroom.federation.delegation
import data.homeroom.federation.elements
import data.homeroom.federation.ground
import data.homeroom.federation.onward
import data.homeroom.federation.request
import data.homeroom.federation.requester
import data.homeroom.federation.withheld

# METADATA
# custom: {citation: 34 CFR 99.31(c)}
codes contains "identity_not_authenticated" if not requester.user_authenticated

# METADATA
# custom: {citation: "34 CFR 99.31(c), 99.67(c)-(e)"}
codes contains requester.refused_as if not requester.organization_active

# METADATA
# custom: {citation: 34 CFR 300.623(c)}
codes contains "user_untrained" if {
	not requester.user_trained
	requester.user_authenticated
}

# METADATA
# custom: {citation: 34 CFR 99.31(c)}
codes contains "user_delegation_invalid" if {
	not delegation.in_effect
	requester.user_authenticated
}

# METADATA
# custom: {citation: "PTAC, data minimization"}
codes contains "request_not_specific" if not request.specific

codes contains "request_not_specific" if {
	not request.level_served
	ground.known
}

codes contains "request_not_specific" if not request.students_named

# METADATA
# custom: {citation: "34 CFR 99.30(a), 99.31"}
codes contains ground.refused_as if not ground.known

# METADATA
# custom: {citation: 20 USC 1232h(c)(1)(E)}
codes contains "purpose_not_permitted_by_basis" if not request.purpose_open

# METADATA
# custom: {citation: 34 CFR 99.33(a)(1)}
codes contains "redisclosure_not_permitted" if {
	not onward.covered
	ground.known
}

codes contains code if {
	some code in agreement_reasons.codes
	ground.terms.agreement == "always"
}

codes contains code if {
	not elements.some_permitted
	some [_, code] in withheld.by_question
}
