package homeroom.federation.matter_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.matter

transfer := example.claiming("transfer")

test_on_file if {
	matter.on_file with input as transfer
	matter.current.student_status == "enrolled" with input as transfer
	matter.ends_at == "2026-03-31T00:00:00Z" with input as transfer
}

test_not_on_file if {
	cases := {
		"/matters/transfer/requester": "shelter_network",
		"/matters/transfer/valid_from": "2026-03-10T14:00:01Z",
		"/matters/transfer/valid_to": "2026-03-10T13:59:59Z",
		"/matters/transfer": "enrolled",
		"/matters": {"order": transfer.matters.transfer},
		"/query/basis": "consent",
	}
	every path, value in cases {
		not matter.on_file with input as example.changed(transfer, path, value)
	}
	every part in ["requester", "valid_from", "valid_to"] {
		not matter.on_file with input as json.remove(transfer, [concat("/", ["/matters/transfer", part])])
	}
}

test_first_and_last_instant_count if {
	matter.on_file with input as example.changed(transfer, "/matters/transfer/valid_from", "2026-03-10T14:00:00Z")
	matter.on_file with input as example.changed(transfer, "/matters/transfer/valid_to", "2026-03-10T14:00:00Z")
}

test_part_b_situation if {
	none := example.with_value("/matters", {"idea": example.held({"situation": "none"})})
	matter.part_b_open with input as none
	not matter.part_b_asks_consent with input as none
	matter.part_b_ends_at == none.matters.idea.valid_to with input as none
	every situation in ["transition_services", "private_school_elsewhere"] {
		other := example.changed(none, "/matters/idea/situation", situation)
		not matter.part_b_open with input as other
		matter.part_b_asks_consent with input as other
		not matter.part_b_ends_at with input as other
	}
	not matter.part_b_open with input as example.facts
}
