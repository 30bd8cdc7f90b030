# METADATA
# title: Local decision
# description: >-
#   A template that an organization copies. It says only what to take away from what the federation
#   permits: elements, schools, requesters. It may always be stricter, and can never add.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
package homeroom.local.decision

import data.homeroom.local.facts
import data.homeroom.local.rules

# METADATA
# title: Local decision document
# description: Whether the organization's own rules let the node answer, and what they take away.
# entrypoint: true
# custom:
#   citation: 34 CFR 99.31(d); requirements R36
document := object.union(limits, lifetime) if {
	legible
	open
}

document := {"allow": false, "reasons": ["local_rule_withheld"], "withheld": []} if {
	legible
	not open
}

open if {
	facts.open_to_requester
	rules.open
}

limits := {
	"allow": true,
	"reasons": [],
	"withheld": sort(facts.withheld | rules.withheld),
	"schools": facts.settings.schools,
	"min_cell_size": facts.settings.min_cell_size,
	"obligations": sort(facts.settings.obligations),
	"conditions": rules.conditions,
	"min_ages": facts.min_ages,
}

lifetime := {"not_after": end | end := min(facts.ends)}

legible if {
	input.schema == 1
	facts.settings_complete
}
