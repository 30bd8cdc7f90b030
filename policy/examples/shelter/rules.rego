# METADATA
# title: Rules of a shelter
# description: >-
#   Beside data.json: only what families agreed to, only to the districts that the shelter knows, and
#   only by people who work with the child. Everything else stays in the house.
# custom:
#   citation: 34 CFR 99.31(d); 42 USC 11432(g)(3)(G); requirements R36, R43
package homeroom.local.rules

known_districts := {"harbor_ps", "valley_sd"}

open if {
	input.query.basis in {"consent", "partner_record"}
	input.query.requester in known_districts
	input.query.onward_to == []
}

withheld := set()

conditions[element] := ["consented", "on_caseload"] if some element in input.query.elements
