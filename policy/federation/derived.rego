# METADATA
# title: Derived elements
# description: >-
#   A computed value may go only if each record it was computed from may go too: it can tell them.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.30
# custom:
#   citation: 34 CFR 99.30(b)(1), 99.3 (personally identifiable information)
package homeroom.federation.derived

import data.homeroom.federation.elements
import data.homeroom.federation.query

supported := query.asked - {element |
	query.occurring.derived
	some [element, "derived"] in query.traits
	not sourced[element]
}

sourced contains element if {
	some [element, "derived"] in query.traits
	sources := input.holder.derived_from[element]
	count(sources) > 0
	every source in sources { elements.served[source] }
}
