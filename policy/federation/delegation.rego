# METADATA
# title: Delegation
# description: >-
#   A person acts in their own capacity, or for someone who delegated it: until a day, unless
#   withdrawn, and for the elements it covers. Training is never delegated.
# custom:
#   citation: 34 CFR 99.31(c); Road Map P2 (who may use the system); requirements R35, R47
package homeroom.federation.delegation

import data.homeroom.federation.clock
import data.homeroom.federation.query

in_effect if input.user.capacity == "own"

in_effect if {
	input.user.capacity == "delegated"
	is_string(input.user.delegation.by)
	input.user.delegation.withdrawn == false
	clock.today <= clock.day(input.user.delegation.valid_to)
}

ends_at := clock.end_of_day(input.user.delegation.valid_to) if input.user.capacity == "delegated"

covered := query.considered if input.user.capacity == "own"

covered := query.considered if {
	input.user.capacity == "delegated"
	input.user.delegation.covers == {"all": true}
}

covered := query.considered & listed if {
	input.user.capacity == "delegated"
	object.keys(input.user.delegation.covers) == {"only"}
}

listed := {element | some element in input.user.delegation.covers.only}
