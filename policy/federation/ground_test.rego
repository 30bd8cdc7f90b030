package homeroom.federation.ground_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.ground

test_every_ground_is_known if {
	every basis, terms in data.federation.grounds {
		ground.known with input.query.basis as basis
		ground.terms == terms with input.query.basis as basis
	}
}

test_not_known if {
	every basis in ["none", "friendship", "", 7] {
		not ground.known with input as example.with_value("/query/basis", basis)
	}
	not ground.known with input as example.without("/query/basis")
}

test_refused_as if {
	ground.refused_as == "consent_missing" with input.query.basis as "none"
	ground.refused_as == "purpose_not_permitted_by_basis" with input.query.basis as "friendship"
}

test_a_ground_with_its_matter_is_not_refused if {
	every basis in object.keys(example.needs) - {"aggregate"} {
		ground.codes == set() with input as example.claiming(basis)
	}
}

test_a_ground_without_its_matter_is_refused if {
	cases := {
		"audit_evaluation": "purpose_not_permitted_by_basis",
		"child_welfare": "child_welfare_not_responsible",
		"deidentified": "deidentification_insufficient",
		"directory_information": "directory_conditions_not_met",
		"emergency": "emergency_conditions_not_met",
		"judicial_order": "order_not_lawful",
		"parent_or_student_access": "rights_not_held_by_requester",
		"school_official": "school_official_criteria_not_met",
		"studies": "purpose_not_permitted_by_basis",
		"transfer": "transfer_no_enrollment_intent",
	}
	every basis, code in cases {
		ground.codes == {code} with input as json.remove(example.claiming(basis), ["/matters"])
	}
}

test_partner_record_is_no_record_of_a_school if {
	facts := example.claiming("partner_record")
	ground.codes == set() with input as facts
	ground.codes == {"purpose_not_permitted_by_basis"} with input as json.remove(facts, ["/holder/ferpa_covered"])
}

test_what_a_ground_serves if {
	every basis in ["consent", "transfer", "studies", "judicial_order", "aggregate"] {
		ground.served == {"daily_attendance", "school_of_enrollment"} with input.query as {
			"basis": basis,
			"elements": ["daily_attendance", "school_of_enrollment"],
		}
	}
	cases := {
		"directory_information": {"name", "grade_level", "address"},
		"emergency": {"daily_attendance", "school_of_enrollment"},
		"parent_or_student_access": {"daily_attendance", "school_of_enrollment", "disclosure_record"},
		"partner_record": set(),
		"school_official": {"daily_attendance", "school_of_enrollment"},
	}
	every basis, served in cases {
		ground.served == served with input as example.claiming(basis)
	}
}

test_what_a_ground_withholds if {
	cases := {
		"directory_information": "directory_not_designated",
		"emergency": "emergency_scope_exceeded",
		"partner_record": "redisclosure_not_permitted",
		"school_official": "user_no_legitimate_interest",
	}
	every basis, code in cases {
		facts := example.asking(example.claiming(basis), ["gpa"])
		ground.withheld == {["gpa", code]} with input as facts
	}
	family := example.claiming("parent_or_student_access")
	ground.withheld == set() with input as family
}
