package homeroom.federation.query_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.query

asked := example.changed(
	example.asking(example.facts, ["early_warning_flag", "shoe_size", "ssn"]),
	"/holder/derived_from",
	{"early_warning_flag": ["suspensions", "homeless_status"]},
)

test_reads_what_is_asked if {
	query.asked == {"early_warning_flag", "shoe_size", "ssn"} with input as asked
	query.never_shared == {"ssn"} with input as asked
}

test_sources_are_considered_too if {
	query.considered == query.asked | {"suspensions", "homeless_status"} with input as asked
	query.shareable == {"early_warning_flag", "suspensions", "homeless_status"} with input as asked
	query.traits == {
		["early_warning_flag", "derived"],
		["homeless_status", "living_situation"],
	} with input as asked
}

test_sources_of_what_is_not_asked_are_not_considered if {
	other := example.changed(asked, "/query/elements", ["gpa"])
	query.considered == {"gpa"} with input as other
}

test_nothing_is_asked if {
	query.considered == set() with input as {}
	query.traits == set() with input as {}
}
