# METADATA
# title: Studies
# description: >-
#   A study for or on behalf of the holder, to improve instruction, to make predictive tests or to
#   run student aid, that lets nobody else identify a student.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
# custom:
#   citation: 34 CFR 99.31(a)(6); requirements R25
package homeroom.federation.studies

import data.homeroom.federation.matter

serves_the_holder if {
	matter.current.on_behalf_of_holder == true
	matter.current.aim in {"improve_instruction", "predictive_tests", "student_aid"}
	matter.current.identifies_to_others == false
}

# METADATA
# custom: {citation: 34 CFR 99.31(a)(6)(i) and (iii)(A)}
codes contains "purpose_not_permitted_by_basis" if not serves_the_holder
