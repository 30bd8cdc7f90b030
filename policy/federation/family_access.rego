# METADATA
# title: Parent or student access
# description: >-
#   A parent, or the student, reads the record. Whether the right is with the parent today depends on
#   the student's age and on tax dependency: the node decides that for each student.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.10
# custom:
#   citation: 34 CFR 99.4, 99.5, 99.10, 99.31(a)(8) and (12); requirements R06, R07, R09
package homeroom.federation.family_access

import data.homeroom.federation.matter
import data.homeroom.federation.query

rights_full if {
	matter.current.rights == "full"
	matter.current.relation in {"parent", "eligible_student", "minor_student"}
}

# METADATA
# custom: {citation: "34 CFR 99.4, 99.5"}
codes contains "rights_not_held_by_requester" if not rights_full

served contains element if {
	some element in query.considered
	element != "disclosure_record"
}

# The record of disclosures is for whoever holds the right to inspect: not for a student who does not yet.
served contains "disclosure_record" if matter.current.relation in {"parent", "eligible_student"}

# METADATA
# custom: {citation: 34 CFR 99.32(c)(1)}
withheld contains [element, "record_inspection_not_permitted"] if some element in (query.asked - served)
