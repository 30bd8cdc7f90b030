package homeroom.federation.order_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.order

facts := example.claiming("judicial_order")

silent := json.remove(facts, ["/matters/order/notice_effort_made"])

test_allowed if order.codes == set() with input as facts

test_refused if {
	every path, value in {
		"/matters/order/kind": "letter",
		"/matters/order/issued_by_court_or_lawful_authority": false,
	} {
		order.codes == {"order_not_lawful"} with input as example.changed(facts, path, value)
	}
}

test_notice_comes_first if order.codes == {"prior_notice_missing"} with input as silent

test_the_court_ordered_silence if {
	order.codes == set() with input as example.changed(silent, "/matters/order/nondisclosure_ordered", true)
}

test_parent_is_a_party if {
	party := example.changed(silent, "/matters/order/parent_is_party_in_dependency_case", true)
	order.codes == {"prior_notice_missing"} with input as party
	order.codes == set() with input as example.changed(party, "/matters/order/kind", "court_order")
	stranger := example.changed(silent, "/matters/order/kind", "court_order")
	order.codes == {"prior_notice_missing"} with input as stranger
}
