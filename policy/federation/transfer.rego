# METADATA
# title: Transfer
# description: >-
#   A school where the student seeks, intends or has enrolled gets the record for that, after notice.
#   Discipline travels with it, and enrolment of a homeless student does not wait for it.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.34
# custom:
#   citation: 34 CFR 99.31(a)(2), 99.34; 20 USC 7917; 42 USC 11432(g)(3)(C); requirements R18 to R21, R44
package homeroom.federation.transfer

import data.homeroom.federation.clock
import data.homeroom.federation.matter

enrolling if matter.current.student_status in {"seeks", "intends", "enrolled"}

related_to_enrollment if {
	matter.current.relates_to_enrollment == true
	input.requester.kind in {"district", "charter_school", "postsecondary"}
}

notified if matter.current.parent_initiated == true

notified if input.holder.notices.forwards_records_on_transfer == true

notified if clock.day(matter.current.notice_attempted_on) <= clock.today

# METADATA
# custom: {citation: 34 CFR 99.31(a)(2)}
codes contains "transfer_no_enrollment_intent" if not enrolling

# METADATA
# custom: {citation: 34 CFR 99.31(a)(2)}
codes contains "purpose_not_permitted_by_basis" if {
	matter.on_file
	not related_to_enrollment
}

# METADATA
# custom: {citation: 34 CFR 99.34(a)(1)}
codes contains "prior_notice_missing" if {
	matter.on_file
	not notified
}
