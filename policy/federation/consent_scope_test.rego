package homeroom.federation.consent_scope_test

import data.homeroom.federation.consent_example_test as example
import data.homeroom.federation.consent_scope

agreed contains "element" if "0" in consent_scope.element_agreed
agreed contains "purpose" if "0" in consent_scope.purpose_agreed
agreed contains "recipient" if "0" in consent_scope.recipient_agreed

test_in_order if agreed == {"element", "purpose", "recipient"} with input as example.facts

test_each_fails_alone if {
	cases := {
		"/scopes/0/elements": [["course_grades", "ssn"], "element"],
		"/agreements/DSA-M1/elements": [["ssn"], "element"],
		"/scopes/0/purposes": [["research"], "purpose"],
		"/scopes/0/recipients": [["shelter_network", "class:libraries"], "recipient"],
	}
	every path, case in cases {
		agreed == {"element", "purpose", "recipient"} - {case[1]} with input as example.with_value(path, case[0])
	}
}

test_what_is_never_shared_is_agreed_by_nobody if {
	facts := json.patch(example.facts, [
		{"op": "add", "path": "/scopes/0/elements", "value": ["ssn"]},
		{"op": "add", "path": "/agreements/DSA-M1/elements", "value": ["ssn"]},
	])
	not "element" in agreed with input as facts
}

test_a_class_is_a_recipient if {
	agreed == {"element", "purpose", "recipient"} with input as example.with_value(
		"/scopes/0/recipients",
		["class:after_school_programs"],
	)
}

test_no_other_agreement_counts if {
	every value in [[], ["DSA-M2"], "DSA-M1"] {
		agreed == set() with input as example.with_value("/scopes/0/agreements", value)
	}
}

test_all_education_records_leave_out_what_is_named_singly if {
	{"daily_attendance", "suspensions", "course_grades"} - consent_scope.all_education_records == set()
	left := {"free_reduced_lunch_status", "homeless_status", "iep", "case_notes", "disclosure_record", "ssn"}
	left & consent_scope.all_education_records == set()
}

test_a_general_release_has_them_and_what_it_names if {
	facts := json.patch(example.facts, [
		{"op": "add", "path": "/scopes/0/all_education_records", "value": true},
		{"op": "add", "path": "/scopes/0/elements", "value": ["iep"]},
	])
	consent_scope.released["0"] == consent_scope.all_education_records | {"iep"} with input as facts
}

test_nothing_is_released_without_any_part if {
	every path in ["/scopes/0/elements", "/scopes/0/all_education_records", "/agreements"] {
		not "element" in agreed with input as example.without(path)
	}
	not "purpose" in agreed with input as example.without("/scopes/0/purposes")
	not "recipient" in agreed with input as example.without("/scopes/0/recipients")
}
