package homeroom.federation.emergency_test

import data.homeroom.federation.emergency
import data.homeroom.federation.example_test as example

facts := example.claiming("emergency")

test_allowed if {
	emergency.codes == set() with input as facts
	emergency.withheld == set() with input as facts
}

test_each_condition_counts if {
	every part in [
		"declared", "threat_recorded", "articulable_and_significant", "recipient_needs_to_know",
	] {
		missing := example.changed(facts, concat("/", ["/matters/emergency", part]), false)
		emergency.codes == {"emergency_conditions_not_met"} with input as missing
		emergency.withheld == set() with input as missing
	}
}

test_no_more_than_is_necessary if {
	asked := example.changed(facts, "/query/elements", ["daily_attendance", "gpa"])
	emergency.withheld == {["gpa", "emergency_scope_exceeded"]} with input as asked
}
