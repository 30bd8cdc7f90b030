# METADATA
# title: Consent signer
# description: >-
#   Facts about who signed a consent. Parents hold the rights until the student is 18 or in
#   postsecondary education, then the student alone. Either parent may sign, unless a court says no.
# custom:
#   citation: 34 CFR 99.3 (parent, eligible student), 99.4, 99.5(a); requirements R06, R07
package homeroom.federation.consent_signer

import data.homeroom.federation.clock
import data.homeroom.federation.consent_paper

in_full contains id if {
	some id, paper in input.papers
	paper.signer_rights == "full"
}

# The day on which the rights moved for another reason than age; after every day if never.
moved_on[id] := "9999-99-99" if {
	some id, paper in input.papers
	paper.postsecondary == false
}

moved_on[id] := clock.day(paper.postsecondary_from) if {
	some id, paper in input.papers
	paper.postsecondary == true
}

by_parent contains id if {
	some id in in_full
	input.papers[id].signer_relation in {"parent", "guardian", "acting_as_parent"}
	consent_paper.starts[id] < moved_on[id]
}

by_student contains id if {
	some id in in_full
	input.papers[id].signer_relation == "eligible_student"
}

# The birth dates for which the signature counts: after the first, and up to the second.
births[id] := [clock.years_before(consent_paper.starts[id], 18), consent_paper.signed[id]] if {
	some id in by_parent
}

births[id] := ["0000-00-00", clock.years_before(consent_paper.signed[id], 18)] if {
	some id in by_student
	consent_paper.signed[id] < moved_on[id]
}

births[id] := ["0000-00-00", consent_paper.signed[id]] if {
	some id in by_student
	moved_on[id] <= consent_paper.signed[id]
}

ends[id] := min({consent_paper.last[id], clock.day_before(moved_on[id])}) if {
	some id in by_parent
	input.papers[id].postsecondary == true
}

ends[id] := consent_paper.last[id] if {
	some id in by_parent
	input.papers[id].postsecondary == false
}

ends[id] := consent_paper.last[id] if some id in by_student
