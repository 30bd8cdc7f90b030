# METADATA
# title: Agreement
# description: >-
#   Facts about the agreement that the question relies on, as the node verified it: who signed,
#   when it is in effect, and whom and what it names for the purpose that is asked.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
# custom:
#   citation: requirements R59, R60 and section 2.1
package homeroom.federation.agreement

import data.homeroom.federation.clock
import data.homeroom.federation.ground

# A ground that needs none, or one by which the asker is no outsider.
dispensed if ground.terms.agreement == "none"

dispensed if {
	input.query.basis == "school_official"
	input.user.employee_of_holder == true
}

dispensed if {
	input.query.basis == "audit_evaluation"
	input.user.employee_of_authority == true
}

known if {
	is_string(input.agreement.id)
	is_string(input.agreement.kind)
	is_number(input.agreement.version)
}

# A party is asked for its signature wherever the agreement names it, so that no list can drop one.
fully_signed if {
	disclosing := array.concat(input.agreement.parties, input.agreement.disclosers)
	named := {party | some party in array.concat(disclosing, input.agreement.recipients)}
	count(named - {party | some party in input.agreement.signed_by}) == 0
}

in_effect if {
	input.agreement.state == "active"
	today := clock.today
	clock.day(input.agreement.effective_from) <= today
	today <= clock.day(input.agreement.effective_to)
}

requester_receives if {
	input.query.requester in input.agreement.parties
	input.query.requester in input.agreement.recipients
}

holder_discloses if {
	input.holder.organization_id in input.agreement.parties
	input.holder.organization_id in input.agreement.disclosers
}

purpose_agreed if input.query.purpose in input.agreement.purposes

basis_agreed if input.query.basis in input.agreement.legal_basis

level_agreed if input.query.level in data.federation.levels_within[input.agreement.level]

terms_complete if {
	needed := object.get(data.federation.mandatory_terms, input.query.basis, [])
	every term in needed { term in input.agreement.terms }
}

ends_at := clock.end_of_day(input.agreement.effective_to) if relied_on

relied_on if not dispensed
