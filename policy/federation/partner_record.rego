# METADATA
# title: Partner record
# description: >-
#   What an organization that is no school holds as its own about its participants. It is no
#   education record; agreement and family consent cover it. What a school gave it is not its own.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.3
# custom:
#   citation: 34 CFR 99.3 (education records), 99.33(a)
package homeroom.federation.partner_record

import data.homeroom.federation.query

held_by_a_partner if input.holder.ferpa_covered == false

# METADATA
# custom: {citation: 34 CFR 99.3 (education records)}
codes contains "purpose_not_permitted_by_basis" if not held_by_a_partner

served contains element if {
	some element in query.considered
	data.federation.elements[element] in data.federation.partner_categories
}

# METADATA
# custom: {citation: 34 CFR 99.33(a)(1)}
withheld contains [element, "redisclosure_not_permitted"] if some element in (query.asked - served)
