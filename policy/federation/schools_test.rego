package homeroom.federation.schools_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.schools

granted(asked, agreed) := answer if {
	facts := json.patch(example.facts, [
		{"op": "add", "path": "/query/schools", "value": asked},
		{"op": "add", "path": "/agreement/schools", "value": agreed},
	])
	answer := schools.granted with input as facts
}

test_granted if {
	cases := {
		"all of all": [[], {"all": true}, {"all": true}],
		"some of all": [["b", "a"], {"all": true}, {"only": ["a", "b"]}],
		"all of some": [[], {"only": ["b", "a"]}, {"only": ["a", "b"]}],
		"some of some": [["a", "c"], {"only": ["a", "b"]}, {"only": ["a"]}],
	}
	every case in cases {
		granted(case[0], case[1]) == case[2]
	}
}

test_not_granted if {
	cases := {
		"another": [["c"], {"only": ["a", "b"]}],
		"none of none": [[], {"only": []}],
		"no schools": [[], {}],
		"not all": [[], {"all": false}],
		"two answers": [[], {"all": true, "only": ["a"]}],
		"not a list": ["a", {"only": ["a"]}],
	}
	every case in cases {
		not granted(case[0], case[1])
	}
}

test_covered if schools.covered with input as example.facts

test_not_covered_without_a_question if {
	not schools.covered with input as example.without("/query/schools")
}

test_without_an_agreement_the_question_says if {
	schools.granted == {"all": true} with input as example.claiming("transfer")
	named := example.changed(example.claiming("transfer"), "/query/schools", ["pine_middle"])
	schools.granted == {"only": ["pine_middle"]} with input as named
}
