# METADATA
# title: Matter
# description: >-
#   What the holder has on file for a ground other than consent: a transfer, an order, an emergency.
#   A steward of the holder entered it, for one requester and for a time. It names no student here.
# custom:
#   citation: law/requirements.md R16 to R34; a ground without its evidence is no ground
package homeroom.federation.matter

import data.homeroom.federation.clock
import data.homeroom.federation.ground

# The matter of the ground that is claimed; undefined when there is none, or none of today.
current := in_force(ground.terms.matter)

on_file if is_object(current)

ends_at := current.valid_to

# The situation under 34 CFR 300.622 is stated beside the ground: only `none` lets Part B records go
# without consent.
part_b_open if in_force("idea").situation == "none"

part_b_ends_at := in_force("idea").valid_to if part_b_open

part_b_asks_consent if in_force("idea").situation in {"private_school_elsewhere", "transition_services"}

in_force(kind) := held if {
	held := input.matters[kind]
	held.requester == input.query.requester
	clock.instant(held.valid_from) <= clock.now
	clock.now <= clock.instant(held.valid_to)
}
