package homeroom.federation.conditions_test

import data.homeroom.federation.conditions
import data.homeroom.federation.example_test as example

of(facts, element) := granted if {
	asked := example.changed(example.asking(facts, [element]), "/holder/derived_from", {"early_warning_flag": []})
	required := conditions.on_element with input as asked
	everywhere := conditions.on_every_element with input as asked
	granted := everywhere | {condition | some [_, condition] in required}
}

test_consent_is_on_every_element if {
	conditions.granted == {
		"daily_attendance": ["consented"],
		"school_of_enrollment": ["consented"],
	} with input as example.facts
}

test_some_elements_need_more_than_consent if {
	cases := {
		"free_reduced_lunch_status": "specifically_consented",
		"household_income": "specifically_consented",
		"early_warning_flag": "sources_consented",
		"survey_protected_responses": "survey_consented",
		"discipline_incident_detail": "single_subject",
	}
	every element, condition in cases {
		of(example.facts, element) == {"consented", condition}
	}
	every element in ["iep", "homeless_status", "address"] {
		of(example.facts, element) == {"consented"}
	}
}

test_a_user_of_a_caseload if {
	some_of_them := example.with_value("/user/reach", "caseload")
	of(some_of_them, "gpa") == {"consented", "on_caseload"}
	of(example.without("/user/reach"), "gpa") == {"consented", "on_caseload"}
}

test_onward_parties_are_consented_too if {
	of(example.with_value("/query/onward_to", ["shelter_network"]), "gpa") == {"consented", "onward_consented"}
}

test_each_ground_has_its_own if {
	cases := {
		"school_official": {"on_caseload"},
		"transfer": {"named_in_matter"},
		"audit_evaluation": set(),
		"studies": set(),
		"judicial_order": {"named_in_matter"},
		"emergency": {"named_in_matter"},
		"directory_information": {"directory_not_opted_out"},
		"child_welfare": {"named_in_matter"},
		"parent_or_student_access": {"named_in_matter", "rights_held", "single_subject"},
		"deidentified": {"deidentified"},
		"aggregate": {"aggregated"},
		"partner_record": {"consented"},
	}
	every basis, expected in cases {
		of(example.claiming(basis), "gpa") == expected
	}
}

test_part_b_waits_for_consent_until_the_situation_is_stated if {
	transfer := example.claiming("transfer")
	of(transfer, "iep") == {"named_in_matter", "part_b_consented"}
	stated := example.changed(transfer, "/matters/idea", example.held({"situation": "none"}))
	of(stated, "iep") == {"named_in_matter"}
}

test_survey_answers_of_the_own_child if {
	family := example.claiming("parent_or_student_access")
	of(family, "survey_protected_responses") == {"named_in_matter", "rights_held", "single_subject"}
	of(example.claiming("studies"), "survey_protected_responses") == {"survey_consented"}
}

test_what_tells_where_a_homeless_student_lives if {
	directory := example.claiming("directory_information")
	of(directory, "phone") == {"directory_not_opted_out", "living_situation_hidden"}
}

test_which_elements_rely_on_consents if {
	conditions.relying_on_consent == {"daily_attendance", "school_of_enrollment"} with input as example.facts
	study := example.asking(example.claiming("studies"), ["gpa", "survey_protected_responses"])
	conditions.relying_on_consent == {"survey_protected_responses"} with input as study
}

test_what_goes_with_consent_goes_with_nothing_else if {
	transfer := example.claiming("transfer")
	of(example.changed(transfer, "/user/reach", "caseload"), "gpa") == {"named_in_matter"}
	of(transfer, "early_warning_flag") == {"named_in_matter"}
	of(example.claiming("studies"), "discipline_incident_detail") == set()
}

test_only_what_is_granted_has_conditions if {
	transfer := example.asking(example.claiming("transfer"), ["gpa", "iep"])
	without_iep := example.changed(transfer, "/holder/dataset_elements", ["gpa"])
	conditions.granted == {"gpa": ["named_in_matter"]} with input as without_iep
}

test_families_read_meal_eligibility_without_a_consent_of_its_own if {
	family := example.claiming("parent_or_student_access")
	of(family, "free_reduced_lunch_status") == {"named_in_matter", "rights_held", "single_subject"}
}
