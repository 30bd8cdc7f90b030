# METADATA
# title: Local facts
# description: >-
#   Reads what the organization wrote in data.json. A file that lacks a part, or has one of another
#   type, gives no decision at all, and so nothing is released.
# custom:
#   citation: 34 CFR 99.31(d); requirements R36
package homeroom.local.facts

settings := data.local

settings_complete if {
	is_array(settings.never_share)
	is_array(settings.closed_to)
	is_array(settings.obligations)
	is_number(settings.min_cell_size)
	is_object(settings.schools)
}

open_to_requester if {
	requester := input.query.requester
	is_string(requester)
	every closed in settings.closed_to { closed != requester }
}

withheld contains {"element": element, "reason": "local_rule_withheld"} if {
	some element in input.query.elements
	element in settings.never_share
}
