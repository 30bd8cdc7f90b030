# METADATA
# title: Elements
# description: >-
#   Derives the elements that may be shared: asked, shareable at all, agreed for this purpose and
#   part of the dataset. An element is withheld because it is not permitted, never the reverse.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.3
# custom:
#   citation: 34 CFR 99.3, 99.8; requirements R04, R05, R57
#   ssn: >-
#     Refused as user_no_legitimate_interest. No purpose of the federation needs the number, so
#     nobody has a need to know it; it is an education record, and no agreement could list it.
package homeroom.federation.elements

import data.homeroom.federation.agreement

asked contains element if some element in input.query.elements

# An element that is agreed for tables of counts is not agreed for rows about students.
agreed contains element if {
	agreement.level_agreed
	some element in input.agreement.elements
}

shareable contains element if some element, _ in data.federation.elements

permitted := (asked & agreed) & shareable

granted contains element if {
	some element in permitted
	element in input.holder.dataset_elements
}

some_permitted if count(permitted) > 0

some_granted if count(granted) > 0

never_shared contains element if some element, _ in data.federation.never_shared

withheld contains {"element": element, "reason": reason} if {
	some element in asked
	reason := data.federation.never_shared[element]
}

withheld contains {"element": element, "reason": "agreement_element_out_of_scope"} if {
	some element in asked
	not permitted[element]
	not never_shared[element]
}
