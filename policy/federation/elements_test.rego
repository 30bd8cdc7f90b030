package homeroom.federation.elements_test

import data.homeroom.federation.elements
import data.homeroom.federation.example_test as example

never := ["law_enforcement_unit_record", "ssn", "teacher_private_notes"]

test_asked_and_agreed_is_granted if {
	elements.granted == {"daily_attendance", "school_of_enrollment"} with input as example.facts
	elements.withheld == set() with input as example.facts
	elements.some_permitted with input as example.facts
	elements.some_granted with input as example.facts
}

test_agreed_for_counts_is_not_agreed_for_rows if {
	facts := example.with_value("/agreement/level", "aggregate")
	elements.agreed == set() with input as facts
	elements.withheld == {
		{"element": "daily_attendance", "reason": "agreement_element_out_of_scope"},
		{"element": "school_of_enrollment", "reason": "agreement_element_out_of_scope"},
	} with input as facts
	not elements.some_permitted with input as facts
}

test_unknown_level_agrees_to_nothing if {
	elements.agreed == set() with input as example.without("/agreement/level")
	elements.agreed == set() with input as example.with_value("/agreement/level", "all")
}

test_never_granted if {
	every element in never {
		facts := json.patch(example.facts, [
			{"op": "add", "path": "/query/elements", "value": [element]},
			{"op": "add", "path": "/agreement/elements", "value": [element]},
			{"op": "add", "path": "/holder/dataset_elements", "value": [element]},
		])
		elements.granted == set() with input as facts
		elements.withheld == {{
			"element": element,
			"reason": data.federation.never_shared[element],
		}} with input as facts
	}
}

test_only_elements_of_the_dataset_are_granted if {
	facts := example.with_value("/holder/dataset_elements", ["suspensions"])
	elements.some_permitted with input as facts
	not elements.some_granted with input as facts
}

test_never_shared_is_not_shareable if elements.never_shared & elements.shareable == set()
