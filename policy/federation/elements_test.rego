package homeroom.federation.elements_test

import data.homeroom.federation.elements
import data.homeroom.federation.example_test as example

never := ["law_enforcement_unit_record", "ssn", "teacher_private_notes"]

test_asked_and_agreed_is_granted if {
	elements.granted == {"daily_attendance", "school_of_enrollment"} with input as example.facts
	elements.some_permitted with input as example.facts
	elements.some_granted with input as example.facts
	elements.some_held with input as example.facts
}

test_never_granted if {
	every basis in object.keys(example.needs) {
		every element in never {
			facts := example.asking(example.claiming(basis), [element])
			elements.granted == set() with input as facts
		}
	}
}

test_only_elements_of_the_dataset_are_granted if {
	facts := example.with_value("/holder/dataset_elements", ["suspensions"])
	elements.some_permitted with input as facts
	not elements.some_granted with input as facts
	not elements.some_held with input as facts
}

test_an_unknown_element_is_not_granted if {
	elements.granted == set() with input as example.asking(example.claiming("transfer"), ["shoe_size"])
}
