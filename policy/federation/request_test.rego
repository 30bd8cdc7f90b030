package homeroom.federation.request_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.request

test_specific if request.specific with input as example.facts

test_not_specific if {
	cases := {
		"/query/elements": [],
		"/query/elements/0": "*",
		"/query/level": "everything",
		"/query/dataset": 1,
		"/query/schools": "all",
	}
	every path, value in cases {
		not request.specific with input as example.with_value(path, value)
	}
}

test_absent_is_not_specific if {
	every path in ["/query", "/query/elements", "/query/level", "/query/dataset", "/query/schools"] {
		not request.specific with input as example.without(path)
	}
}
