# METADATA
# title: Request
# description: Facts about the question itself. A question names what it needs, and no more.
# custom:
#   citation: PTAC, data minimization; 20 USC 1232h(c); requirements R51, R57
package homeroom.federation.request

import data.homeroom.federation.ground
import data.homeroom.federation.query

specific if {
	is_string(input.query.dataset)
	is_array(input.query.schools)
	input.query.named_students >= 0
	is_number(input.query.named_students)
	count(query.asked) > 0
	count((query.asked - query.shareable) - query.never_shared) == 0
}

# Rows about students, records without their names, or counts: each ground serves one of these.
level_served if input.query.level == ground.terms.level

students_named if not ground.terms.names_students

students_named if input.query.named_students > 0

# Marketing to students is no purpose here.
purpose_open if {
	is_string(input.query.purpose)
	every purpose in data.federation.never_purposes { purpose != input.query.purpose }
}
