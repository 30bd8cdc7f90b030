# METADATA
# title: Directory information
# description: >-
#   What the holder made public by notice, for those who did not opt out. A limited policy binds, and
#   nothing is confirmed to someone who found the student by a key that is no such information.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.37
# custom:
#   citation: 34 CFR 99.3, 99.37; 42 USC 11432(g)(3)(G); requirements R03, R04, R30 to R32, R43
package homeroom.federation.directory

import data.homeroom.federation.matter
import data.homeroom.federation.query

designated contains type if {
	some type in input.holder.notices.directory_types
	data.federation.directory_elements[type]
}

open_to_party if input.holder.notices.directory_limited_to_parties == {"all": true}

open_to_party if input.query.requester in input.holder.notices.directory_limited_to_parties.only

open_for_purpose if input.holder.notices.directory_limited_to_purposes == {"all": true}

open_for_purpose if input.query.purpose in input.holder.notices.directory_limited_to_purposes.only

matched_openly if matter.current.match_key == "none"

matched_openly if designated[matter.current.match_key]

conditions_met if {
	is_array(input.holder.notices.directory_types)
	open_to_party
	open_for_purpose
	matched_openly
}

# METADATA
# custom: {citation: "34 CFR 99.37(a), (d), (e)"}
codes contains "directory_conditions_not_met" if not conditions_met

# METADATA
# custom: {citation: 42 USC 11432(g)(3)(G)}
withheld contains [element, "protected_living_situation"] if some [element, "living_situation"] in query.traits

# METADATA
# custom: {citation: "34 CFR 99.3 (directory information), 99.37(a)"}
withheld contains [element, "directory_not_designated"] if some element in (query.asked - designated)
