# METADATA
# title: Schools
# description: >-
#   Derives the schools whose students may be in the answer: those of the agreement, narrowed to
#   those the question names. A question that names none asks for all the agreement has.
# custom:
#   citation: requirements R59 and section 2.1
package homeroom.federation.schools

import data.homeroom.federation.agreement

asks_for_all if input.query.schools == []

asked contains school if some school in input.query.schools

covers_all if input.agreement.schools == {"all": true}

# Without an agreement nothing but the question and its ground narrows the schools.
covers_all if agreement.dispensed

listed contains school if {
	object.keys(input.agreement.schools) == {"only"}
	some school in input.agreement.schools.only
}

limited if not covers_all

shared := asked & listed if limited

granted := {"all": true} if {
	asks_for_all
	covers_all
}

granted := {"only": sort(asked)} if {
	covers_all
	count(asked) > 0
}

granted := {"only": sort(listed)} if {
	limited
	asks_for_all
	count(listed) > 0
}

granted := {"only": sort(shared)} if count(shared) > 0

covered if is_object(granted)
