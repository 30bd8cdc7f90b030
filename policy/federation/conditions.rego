# METADATA
# title: Row conditions
# description: >-
#   What each student's own facts must say before an element of theirs goes. The policy sees no
#   student: the node holds each row to every word that is listed here, and knows no other.
# custom:
#   citation: law/requirements.md R07, R10, R30, R43, R45, R50, R52
package homeroom.federation.conditions

import data.homeroom.federation.elements
import data.homeroom.federation.ground
import data.homeroom.federation.matter
import data.homeroom.federation.query

by_consent if input.query.basis in {"consent", "partner_record"}

of_families if input.query.basis == "parent_or_student_access"

# Where the user's work is with every student of the organization.
works_for_all if input.user.reach == "organization"

on_every_element contains condition if some condition in ground.terms.conditions

# METADATA
# custom: {citation: "34 CFR 99.31(a)(1)(ii): need to know"}
on_every_element contains "on_caseload" if {
	not works_for_all
	by_consent
}

# METADATA
# custom: {citation: "34 CFR 99.30(b)(3), 99.33(a)(1)"}
on_every_element contains "onward_consented" if {
	count(input.query.onward_to) > 0
	by_consent
}

# METADATA
# custom: {citation: 42 USC 1758(b)(6)(B)}
on_trait["meal_eligibility"] := "specifically_consented" if by_consent

# METADATA
# custom: {citation: 34 CFR 99.30(b)(1)}
on_trait["derived"] := "sources_consented" if by_consent

# METADATA
# custom: {citation: 20 USC 1232h(b)}
on_trait["protected_survey"] := "survey_consented" if not of_families

# METADATA
# custom: {citation: 34 CFR 300.622(b)(2) and (3)}
on_trait["part_b"] := "part_b_consented" if {
	ground.terms.part_b == "stated"
	not matter.part_b_open
}

# METADATA
# custom: {citation: 34 CFR 99.12(a)}
on_trait["joint"] := "single_subject" if ground.terms.joint == "own_part"

# METADATA
# custom: {citation: 42 USC 11432(g)(3)(G)}
on_trait["locating"] := "living_situation_hidden" if input.query.basis == "directory_information"

# What is asked of some elements beside that: each with what it is to that law.
on_element := {[element, condition] |
	some trait in query.occurring
	condition := on_trait[trait]
	some element
	query.traits[[element, trait]]
}

# Each element that is granted, and what it waits for: most wait for what every element does.
granted := object.union(plain, particular) if {
	alike := sort(on_every_element)
	plain := {element: alike | some element in elements.granted}
	particular := {element: sort(on_every_element | conditions) |
		some [element, _] in on_element
		plain[element]
		conditions := {condition | some [named, condition] in on_element; named == element}
	}
}

# Whether consents decide about an element, and so how fresh they must be.
relying_on_consent := query.asked | particularly if consents_decide

relying_on_consent := particularly if not consents_decide

particularly := {e | some [e, condition] in on_element; data.federation.consent_conditions[condition]}

consents_decide if {
	some condition in on_every_element
	data.federation.consent_conditions[condition]
}
