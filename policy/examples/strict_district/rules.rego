# METADATA
# title: Rules of a strict district
# description: >-
#   Beside data.json: no directory information to companies, incidents only to people who work with
#   the student, and grades to schools alone outside the school year.
# custom:
#   citation: 34 CFR 99.31(d), 99.37; requirements R31, R36
package homeroom.local.rules

grades := {"course_grades", "gpa", "transcript"}

schools := {"district", "charter_school", "postsecondary"}

open if {
	is_string(input.query.basis)
	input.query.basis != "directory_information"
}

open if {
	input.query.basis == "directory_information"
	input.requester.kind in schools
}

in_school_year if substring(input.now, 5, 2) in {"09", "10", "11", "12", "01", "02", "03", "04", "05", "06"}

grades_open if in_school_year

grades_open if input.requester.kind in schools

withheld contains {"element": element, "reason": "local_rule_withheld"} if {
	some element in input.query.elements
	grades[element]
	not grades_open
}

conditions[element] := ["on_caseload"] if {
	some element in input.query.elements
	element in {"expulsions", "suspensions"}
}
