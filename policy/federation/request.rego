# METADATA
# title: Request
# description: Facts about the question itself. A question names what it needs, and no more.
# custom:
#   citation: PTAC, data minimization; requirements R57
package homeroom.federation.request

import data.homeroom.federation.elements

specific if {
	input.query.level == "student"
	is_string(input.query.dataset)
	is_array(input.query.schools)
	count(elements.asked) > 0
	every element in elements.asked { element != "*" }
}
