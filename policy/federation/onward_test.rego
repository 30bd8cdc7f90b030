package homeroom.federation.onward_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.onward

passing_on(facts) := example.changed(facts, "/query/onward_to", ["shelter_network"])

test_nobody if {
	onward.covered with input as example.facts
	onward.obligations == set() with input as example.facts
}

test_agreed if {
	not onward.covered with input as passing_on(example.facts)
	named := example.with_value("/agreement/redisclosure_to", ["shelter_network"])
	onward.covered with input as passing_on(named)
	onward.obligations == {"record_onward_parties"} with input as passing_on(named)
}

test_no_limit_by_law if {
	every basis in ["directory_information", "judicial_order", "parent_or_student_access"] {
		onward.covered with input as passing_on(example.claiming(basis))
	}
}

test_closed if {
	every basis in ["transfer", "emergency", "child_welfare"] {
		not onward.covered with input as passing_on(example.claiming(basis))
		named := example.changed(example.claiming(basis), "/agreement/redisclosure_to", ["shelter_network"])
		not onward.covered with input as passing_on(named)
	}
}

test_unknown_is_not_covered if {
	not onward.covered with input as example.without("/query/onward_to")
	not onward.obligations with input as example.without("/query/onward_to")
	order := example.claiming("judicial_order")
	not onward.covered with input as json.remove(order, ["/query/onward_to"])
}
