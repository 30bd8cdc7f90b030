# METADATA
# title: Decision
# description: >-
#   What a node asks before it answers: the most that it may release. A refusal has no grant, so
#   that whoever forgets to look at `allow` finds nothing to use.
package homeroom.federation.decision

import data.homeroom.federation.agreement
import data.homeroom.federation.cells
import data.homeroom.federation.conditions
import data.homeroom.federation.delegation
import data.homeroom.federation.elements
import data.homeroom.federation.ground
import data.homeroom.federation.holder_reasons
import data.homeroom.federation.matter
import data.homeroom.federation.onward
import data.homeroom.federation.question_reasons
import data.homeroom.federation.requester
import data.homeroom.federation.schools
import data.homeroom.federation.state
import data.homeroom.federation.withheld

codes := question_reasons.codes | holder_reasons.codes

# METADATA
# title: Decision document
# description: Whether the node may answer, why or why not, and what the answer may hold.
# entrypoint: true
# custom:
#   citation: 34 CFR 99.30(a), 99.31, 99.33(d); requirements R01, R38, R57, R59
document := {
	"allow": true,
	"reasons": [terms.reason],
	"withheld": sort(withheld.entries),
	"grant": {
		"elements": conditions.granted,
		"schools": schools.granted,
	},
	"min_cell_size": cells.min_size,
	"obligations": sort({code | some code in terms.obligations} | onward.obligations),
	"row_obligations": terms.row_obligations,
	"not_after": min(ends),
} if {
	input.schema == 1
	elements.some_granted
	terms := ground.terms
	count(codes) == 0
}

document := {"allow": false, "reasons": sort(codes), "withheld": []} if {
	input.schema == 1
	count(codes) > 0
}

# Until the first of these the same facts give the same answer; afterwards the node asks again.
ends contains agreement.ends_at

ends contains delegation.ends_at

ends contains matter.ends_at

ends contains matter.part_b_ends_at

ends contains requester.training_ends_at

ends contains state.ends_at
