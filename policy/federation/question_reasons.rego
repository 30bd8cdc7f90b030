# METADATA
# title: Reasons about the question
# description: >-
#   Why a question is refused wherever it is asked. Each line is the failure of one fact. A line
#   with a second condition keeps its code away where another already says it.
# custom:
#   citation: law/requirements.md section 1, suggested order of checks
package homeroom.federation.question_reasons

import data.homeroom.federation.agreement
import data.homeroom.federation.elements
import data.homeroom.federation.ground
import data.homeroom.federation.request
import data.homeroom.federation.requester
import data.homeroom.federation.users

codes contains "identity_not_authenticated" if not requester.user_authenticated

codes contains requester.refused_as if not requester.organization_active

codes contains "user_untrained" if {
	requester.user_authenticated
	not requester.user_trained
}

codes contains "request_not_specific" if not request.specific

codes contains "purpose_not_permitted_by_basis" if not ground.known

codes contains "agreement_missing" if not agreement.known

codes contains code if {
	agreement.known
	some code in terms
}

codes contains entry.reason if {
	agreement.known
	agreement.purpose_agreed
	not elements.some_permitted
	some entry in elements.withheld
}

terms contains "agreement_not_fully_signed" if not agreement.fully_signed

terms contains "agreement_not_in_effect" if not agreement.in_effect

terms contains "agreement_party_mismatch" if not agreement.requester_receives

terms contains "agreement_purpose_mismatch" if not agreement.purpose_agreed

terms contains "purpose_not_permitted_by_basis" if {
	agreement.purpose_agreed
	not agreement.basis_agreed
}

terms contains "user_no_legitimate_interest" if {
	requester.user_authenticated
	not users.admitted
}
