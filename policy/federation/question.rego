# METADATA
# title: Question
# description: >-
#   What the gateway asks: may this question be put to holders at all? It reads no fact about a
#   holder. Whatever it permits, each holder decides again.
package homeroom.federation.question

import data.homeroom.federation.elements
import data.homeroom.federation.ground
import data.homeroom.federation.question_reasons

# METADATA
# title: Question document
# description: Whether the question may be asked, and why or why not.
# entrypoint: true
# custom:
#   citation: 34 CFR 99.30(a), 99.31; requirements R01
document := {"allow": true, "reasons": [ground.terms.reason]} if {
	input.schema == 1
	elements.some_permitted
	count(question_reasons.codes) == 0
}

document := {"allow": false, "reasons": sort(question_reasons.codes)} if {
	input.schema == 1
	count(question_reasons.codes) > 0
}
