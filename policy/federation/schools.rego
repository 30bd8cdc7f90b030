# METADATA
# title: Schools
# description: >-
#   Derives the schools whose students may be in the answer: those of the agreement, narrowed to
#   those the question names. A question that names none asks for all the agreement has.
# custom:
#   citation: requirements R59 and section 2.1
package homeroom.federation.schools

import data.homeroom.federation.agreement

asked := {school | some school in input.query.schools}

covers_all if input.agreement.schools == {"all": true}

# Without an agreement nothing but the question and its ground narrows the schools.
covers_all if agreement.dispensed

listed := {school | some school in input.agreement.schools.only} if {
	object.keys(input.agreement.schools) == {"only"}
	agreement.relied_on
}

# Those listed, or of them those that are asked for.
shared := listed if input.query.schools == []

shared := asked & listed if input.query.schools != []

granted := {"all": true} if {
	input.query.schools == []
	covers_all
}

granted := {"only": sort(asked)} if {
	covers_all
	count(asked) > 0
}

granted := {"only": sort(shared)} if count(shared) > 0

covered if is_object(granted)
