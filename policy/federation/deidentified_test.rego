package homeroom.federation.deidentified_test

import data.homeroom.federation.deidentified
import data.homeroom.federation.example_test as example

facts := example.claiming("deidentified")

coded := json.patch(facts, [
	{"op": "add", "path": "/matters/deidentification/code_method", "value": "random"},
	{"op": "add", "path": "/matters/deidentification/code_rule_disclosed", "value": false},
	{"op": "add", "path": "/matters/deidentification/for_education_research", "value": true},
])

test_without_a_code_or_with_a_random_one if {
	deidentified.codes == set() with input as facts
	deidentified.codes == set() with input as coded
}

test_insufficient if {
	cases := {
		"/matters/deidentification/code_method": "hash_of_student_number",
		"/matters/deidentification/code_rule_disclosed": true,
		"/matters/deidentification/for_education_research": false,
		"/matters/deidentification/requester_knows_identity": true,
		"/query/named_students": 1,
	}
	every path, value in cases {
		wrong := example.changed(coded, path, value)
		deidentified.codes == {"deidentification_insufficient"} with input as wrong
	}
}
