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
	is_array(settings.approval_required)
	is_array(settings.closed_to)
	is_array(settings.obligations)
	is_number(settings.min_cell_size)
	is_object(settings.min_ages)
	is_object(settings.schools)
}

open_to_requester if {
	requester := input.query.requester
	is_string(requester)
	every closed in settings.closed_to { closed != requester }
}

# A steward of the organization approved the element for this requester and purpose, until an instant.
approved contains approval.element if some approval in lasting

lasting contains approval if {
	some approval in input.approvals
	approval.state == "granted"
	instant(input.now) <= instant(approval.valid_to)
}

# What was approved ends with the approval, and the node asks again.
ends contains approval.valid_to if {
	some approval in lasting
	approval.element in (asked & awaiting)
}

instant(text) := text if {
	is_string(text)
	regex.match(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`, text)
}

# The ages from which records of a kind are shared.
min_ages[element] := age if {
	some element, age in settings.min_ages
	asked[element]
}

withheld contains {"element": element, "reason": "local_rule_withheld"} if some element in (asked & never_shared)

withheld contains {"element": element, "reason": "approval_not_granted"} if {
	some element in (asked & awaiting)
	not approved[element]
}

asked := {element | some element in input.query.elements}

never_shared := {element | some element in settings.never_share}

awaiting := {element | some element in settings.approval_required}
