# METADATA
# title: Onward disclosure
# description: >-
#   To whom the recipient will pass on in the same act. Under some grounds the law sets no limit; under
#   the others the agreement names the party, or nobody is.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.33
# custom:
#   citation: 34 CFR 99.33(a) to (c), 99.32(b); requirements R38, R39
package homeroom.federation.onward

import data.homeroom.federation.ground

covered if input.query.onward_to == []

covered if {
	ground.terms.onward == "free"
	is_array(input.query.onward_to)
}

covered if {
	ground.terms.onward == "agreed"
	every party in input.query.onward_to { party in input.agreement.redisclosure_to }
}

# Named in the disclosure record, with their interest.
obligations := set() if input.query.onward_to == []

obligations := {"record_onward_parties"} if count(input.query.onward_to) > 0
