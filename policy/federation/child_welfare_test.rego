package homeroom.federation.child_welfare_test

import data.homeroom.federation.child_welfare
import data.homeroom.federation.example_test as example

facts := example.claiming("child_welfare")

test_allowed if {
	every kind in ["child_welfare_agency", "tribal_organization"] {
		child_welfare.codes == set() with input as example.changed(facts, "/requester/kind", kind)
	}
}

test_refused if {
	every path, value in {
		"/matters/child_welfare/legally_responsible": false,
		"/matters/child_welfare/may_access_case_plan": false,
		"/requester/kind": "law_enforcement",
	} {
		wrong := example.changed(facts, path, value)
		child_welfare.codes == {"child_welfare_not_responsible"} with input as wrong
	}
}
