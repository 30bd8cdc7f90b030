# METADATA
# title: Reasons in the agreement
# description: >-
#   Why the agreement that is relied on does not carry the question. Each line is the failure of one
#   fact; without an agreement that is the only reason.
# custom:
#   citation: PTAC, written agreement checklist; requirements R23, R25, R59
package homeroom.federation.agreement_reasons

import data.homeroom.federation.agreement
import data.homeroom.federation.requester
import data.homeroom.federation.users

codes contains "agreement_missing" if not agreement.known

# METADATA
# custom: {citation: "PTAC, written agreement checklist"}
codes contains "agreement_not_fully_signed" if {
	not agreement.fully_signed
	agreement.known
}

# METADATA
# custom: {citation: "PTAC, written agreement checklist"}
codes contains "agreement_not_in_effect" if {
	not agreement.in_effect
	agreement.known
}

# METADATA
# custom: {citation: "34 CFR 99.33(a)"}
codes contains "agreement_party_mismatch" if {
	not agreement.requester_receives
	agreement.known
}

# METADATA
# custom: {citation: "34 CFR 99.31(a)(6)(iii)(C), 99.35(a)(3)"}
codes contains "agreement_terms_incomplete" if {
	not agreement.terms_complete
	agreement.known
}

# METADATA
# custom: {citation: "34 CFR 99.33(a)(2)"}
codes contains "agreement_purpose_mismatch" if {
	not agreement.purpose_agreed
	agreement.known
}

# METADATA
# custom: {citation: "34 CFR 99.31"}
codes contains "purpose_not_permitted_by_basis" if {
	not agreement.basis_agreed
	agreement.purpose_agreed
}

# METADATA
# custom: {citation: "PTAC and NDPA, authorized users; 34 CFR 99.33(a)(2)"}
codes contains "user_no_legitimate_interest" if {
	not users.admitted
	requester.user_authenticated
	agreement.known
}
