package homeroom.federation.request_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.request

test_specific if {
	request.specific with input as example.facts
	request.specific with input as example.with_value("/query/elements", ["ssn"])
}

test_not_specific if {
	cases := {
		"/query/elements": [],
		"/query/elements/0": "*",
		"/query/elements/1": "shoe_size",
		"/query/dataset": 1,
		"/query/schools": "all",
		"/query/named_students": "every",
	}
	every path, value in cases {
		not request.specific with input as example.with_value(path, value)
	}
	not request.specific with input as example.with_value("/query/named_students", -1)
}

test_absent_is_not_specific if {
	every part in ["elements", "dataset", "schools", "named_students"] {
		not request.specific with input as example.without(concat("/", ["/query", part]))
	}
	not request.specific with input as example.without("/query")
}

test_each_ground_serves_one_level if {
	request.level_served with input as example.facts
	request.level_served with input as example.claiming("aggregate")
	not request.level_served with input as example.with_value("/query/level", "aggregate")
	not request.level_served with input as example.without("/query/level")
}

test_some_grounds_are_about_named_students if {
	request.students_named with input as example.facts
	request.students_named with input as example.claiming("transfer")
	not request.students_named with input as example.changed(example.claiming("transfer"), "/query/named_students", 0)
}

test_marketing_is_no_purpose if {
	request.purpose_open with input as example.facts
	not request.purpose_open with input as example.with_value("/query/purpose", "marketing")
	not request.purpose_open with input as example.without("/query/purpose")
	not request.purpose_open with input as example.with_value("/query/purpose", 7)
}
