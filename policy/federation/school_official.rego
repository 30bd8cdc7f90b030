# METADATA
# title: School official
# description: >-
#   Someone inside, or an outside party that does an institutional service under the holder's direct
#   control: those elements that the work needs, of the students worked with.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
# custom:
#   citation: 34 CFR 99.31(a)(1), 99.7(a)(3)(iii); requirements R08, R16, R17
package homeroom.federation.school_official

import data.homeroom.federation.matter
import data.homeroom.federation.query

employed if input.user.employee_of_holder == true

criteria_met if {
	employed
	"employees" in input.holder.notices.school_official_criteria
}

criteria_met if {
	matter.current.institutional_service == true
	matter.current.direct_control == true
	matter.current.bound_by_99_33a == true
	matter.current.meets_published_criteria == true
}

needed contains element if some element in matter.current.elements_needed

# Only the custodians of the record of disclosures may read it, and they are the holder's own people.
served contains element if {
	some element in needed
	element != "disclosure_record"
}

served contains "disclosure_record" if {
	employed
	needed.disclosure_record
}

# METADATA
# custom: {citation: 34 CFR 99.31(a)(1)(i)(B)}
codes contains "school_official_criteria_not_met" if not criteria_met

# METADATA
# custom: {citation: 34 CFR 99.31(a)(1)(ii)}
withheld contains [element, "user_no_legitimate_interest"] if {
	criteria_met
	some element in (query.asked - needed)
}

# METADATA
# custom: {citation: 34 CFR 99.32(c)}
withheld contains [element, "record_inspection_not_permitted"] if {
	some [element, "record_of_disclosures"] in query.traits
	not employed
}
