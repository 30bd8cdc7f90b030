# METADATA
# title: Emergency
# description: >-
#   An articulable and significant threat, declared by a named person with its words written down:
#   to those who need to know, what is necessary, and only while it lasts.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.36
# custom:
#   citation: 34 CFR 99.31(a)(10), 99.36, 99.32(a)(5); requirements R29
package homeroom.federation.emergency

import data.homeroom.federation.matter
import data.homeroom.federation.query

declared if {
	matter.current.declared == true
	matter.current.threat_recorded == true
	matter.current.articulable_and_significant == true
	matter.current.recipient_needs_to_know == true
}

necessary contains element if some element in matter.current.elements_necessary

# METADATA
# custom: {citation: 34 CFR 99.36(a) and (c)}
codes contains "emergency_conditions_not_met" if not declared

# METADATA
# custom: {citation: "34 CFR 99.36(a): no more than is necessary"}
withheld contains [element, "emergency_scope_exceeded"] if {
	declared
	some element in (query.asked - necessary)
}
