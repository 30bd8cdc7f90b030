# METADATA
# title: Decision
# description: >-
#   What a node asks before it answers: the most that it may release. A refusal has no grant, so
#   that whoever forgets to look at `allow` finds nothing to use.
package homeroom.federation.decision

import data.homeroom.federation.agreement
import data.homeroom.federation.cells
import data.homeroom.federation.elements
import data.homeroom.federation.ground
import data.homeroom.federation.holder_reasons
import data.homeroom.federation.question_reasons
import data.homeroom.federation.requester
import data.homeroom.federation.schools
import data.homeroom.federation.state

codes := question_reasons.codes | holder_reasons.codes

# METADATA
# title: Decision document
# description: Whether the node may answer, why or why not, and what the answer may hold.
# entrypoint: true
# custom:
#   citation: 34 CFR 99.30(a), 99.31, 99.33(d); requirements R01, R38, R57, R59
document := {
	"allow": true,
	"reasons": [ground.reason],
	"withheld": sort(elements.withheld),
	"grant": {
		"elements": sort(elements.granted),
		"schools": schools.granted,
		"consent_elements": sort(ground.consent_elements),
	},
	"min_cell_size": cells.min_size,
	"obligations": sort(ground.obligations),
	"not_after": not_after,
} if {
	input.schema == 1
	elements.some_granted
	count(codes) == 0
}

document := {"allow": false, "reasons": sort(codes), "withheld": []} if {
	input.schema == 1
	count(codes) > 0
}

# Until then the same facts give the same answer; afterwards the node asks again.
not_after := min({agreement.ends_at, requester.training_ends_at, state.ends_at})
