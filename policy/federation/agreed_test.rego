package homeroom.federation.agreed_test

import data.homeroom.federation.agreed
import data.homeroom.federation.example_test as example

asked := example.changed(example.facts, "/query/elements", ["daily_attendance", "gpa"])

test_agreed if {
	agreed.elements == {"daily_attendance"} with input as asked
	agreed.arguable == {"daily_attendance"} with input as asked
}

test_what_is_agreed_for_counts_is_not_agreed_for_rows if {
	agreed.elements == set() with input as example.changed(asked, "/agreement/level", "aggregate")
	agreed.elements == set() with input as json.remove(asked, ["/agreement/level"])
}

test_no_agreement_needed if {
	facts := example.changed(example.claiming("transfer"), "/query/elements", ["gpa"])
	agreed.elements == {"gpa"} with input as facts
	agreed.arguable == {"gpa"} with input as facts
}

test_whether_the_user_is_an_outsider_is_for_the_holder if {
	facts := example.changed(example.claiming("school_official"), "/query/elements", ["gpa"])
	agreed.elements == set() with input as facts
	agreed.arguable == {"gpa"} with input as facts
	agreed.elements == {"gpa"} with input as example.changed(facts, "/user/employee_of_holder", true)
}
