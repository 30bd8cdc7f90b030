# METADATA
# title: Consent paper
# description: >-
#   Facts about the form that a family signed: written or on a screen, signed, dated, and in time.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.30
# custom:
#   citation: 34 CFR 99.30(a), (b), (d); requirements R12, R13
package homeroom.federation.consent_paper

import data.homeroom.federation.clock

signed[id] := clock.day(paper.signed_on) if some id, paper in input.papers

first[id] := clock.day(paper.valid_from) if some id, paper in input.papers

last[id] := clock.day(paper.valid_to) if some id, paper in input.papers

starts[id] := max({first[id], day}) if some id, day in signed

# Ink needs no more; whoever signs on a screen has to be known.
approved contains id if {
	some id, paper in input.papers
	paper.form == "written"
}

approved contains id if {
	some id, paper in input.papers
	paper.form == "electronic"
	paper.authenticated == true
}

written contains id if {
	some id in approved
	signed[id] <= last[id]
}

in_time contains id if {
	some id, day in last
	starts[id] <= day
	clock.today <= day
}
