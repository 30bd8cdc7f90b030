package homeroom.federation.delegation_test

import data.homeroom.federation.delegation
import data.homeroom.federation.example_test as example

own := {"daily_attendance", "school_of_enrollment"}

delegated := json.patch(example.facts, [
	{"op": "add", "path": "/user/capacity", "value": "delegated"},
	{"op": "add", "path": "/user/delegation", "value": {
		"by": "registrar-1",
		"valid_to": "2026-03-10",
		"withdrawn": false,
		"covers": {"all": true},
	}},
])

covering(covers) := example.changed(delegated, "/user/delegation/covers", covers)

test_own_capacity if {
	delegation.in_effect with input as example.facts
	delegation.covered == own with input as example.facts
	not delegation.ends_at with input as example.facts
}

test_delegated_through_its_last_day if {
	delegation.in_effect with input as delegated
	delegation.covered == own with input as delegated
	delegation.ends_at == "2026-03-10T23:59:59Z" with input as delegated
}

test_not_in_effect if {
	cases := {"by": 7, "valid_to": "2026-03-09", "withdrawn": true}
	every part, value in cases {
		not delegation.in_effect with input as example.changed(delegated, concat("/", ["/user/delegation", part]), value)
	}
	not delegation.in_effect with input as example.without("/user/capacity")
	in_no_capacity := json.remove(delegated, ["/user/capacity"])
	not delegation.in_effect with input as in_no_capacity
	not delegation.ends_at with input as in_no_capacity
	not delegation.covered with input as in_no_capacity
	some_of_them := example.changed(in_no_capacity, "/user/delegation/covers", {"only": ["daily_attendance"]})
	not delegation.covered with input as some_of_them
}

test_covers_what_it_names if {
	delegation.covered == {"daily_attendance"} with input as covering({"only": ["daily_attendance", "gpa"]})
	every nothing in [{}, {"all": false}, {"all": true, "only": ["daily_attendance"]}] {
		not delegation.covered with input as covering(nothing)
	}
}
