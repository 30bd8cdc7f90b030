package homeroom.federation.protected_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.protected

open(basis, element) if {
	facts := example.changed(example.claiming(basis), "/query/elements", [element])
	protected.open == {element} with input as facts
}

test_meal_eligibility_has_its_own_list if {
	every basis in ["parent_or_student_access", "partner_record", "aggregate", "deidentified"] {
		open(basis, "free_reduced_lunch_status")
	}
	every basis in ["school_official", "transfer", "studies", "emergency", "directory_information"] {
		not open(basis, "free_reduced_lunch_status")
		not open(basis, "household_income")
	}
	protected.open == {"free_reduced_lunch_status"} with input as example.with_value("/query/elements", ["free_reduced_lunch_status"])
}

test_record_of_disclosures if {
	every basis in ["parent_or_student_access", "school_official"] { open(basis, "disclosure_record") }
	every basis in ["transfer", "studies", "judicial_order"] { not open(basis, "disclosure_record") }
}

test_nothing_identifying_beside_de_identified_records if {
	every element in ["name", "student_number", "email"] {
		open("transfer", element)
		not open("deidentified", element)
		not open("aggregate", element)
	}
}

test_the_rest_is_open if {
	every element in ["iep", "homeless_status", "early_warning_flag", "course_grades"] {
		open("studies", element)
	}
}

test_each_closed_trait_has_a_code if {
	protected.open_traits & object.keys(protected.codes) == set() with input as {}
}
