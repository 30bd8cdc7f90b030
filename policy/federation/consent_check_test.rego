package homeroom.federation.consent_check_test

import data.homeroom.federation.consent_check
import data.homeroom.federation.consent_example_test as example

papers(facts) := document.papers if {
	document := consent_check.document with input as facts
}

test_in_order if {
	papers(example.facts) == {
		"0": {
			"codes": [],
			"from": "2025-09-04",
			"to": "2026-08-31",
			"born_after": "2007-09-04",
			"born_by": "2025-09-04",
		},
		"1": {
			"codes": [],
			"from": "2026-01-05",
			"to": "2026-08-31",
			"born_after": "0000-00-00",
			"born_by": "2008-01-05",
		},
	}
	consent_check.document.scopes == {"0": {"codes": []}} with input as example.facts
}

test_each_failure_has_its_code if {
	cases := {
		"/papers/0/form": ["oral", "consent_form_invalid"],
		"/papers/0/valid_to": ["2026-03-09", "consent_not_in_effect"],
		"/papers/0/signer_relation": ["minor_student", "consent_signer_not_entitled"],
		"/papers/0/signer_rights": ["revoked_by_court_order", "consent_signer_not_entitled"],
	}
	every path, case in cases {
		papers(example.with_value(path, case[0]))["0"] == {"codes": [case[1]]}
	}
}

test_each_scope_has_its_code if {
	cases := {
		"/scopes/0/elements": [["gpa"], "consent_element_out_of_scope"],
		"/scopes/0/purposes": [["research"], "consent_purpose_mismatch"],
		"/scopes/0/recipients": [[], "consent_recipient_mismatch"],
	}
	every path, case in cases {
		facts := example.with_value(path, case[0])
		consent_check.document.scopes == {"0": {"codes": [case[1]]}} with input as facts
	}
}

test_unknown_schema_has_no_document if {
	not consent_check.document with input as example.with_value("/schema", 2)
	not consent_check.document with input as {}
}

test_lists_what_may_be_released if {
	document := consent_check.document with input as example.facts
	"free_reduced_lunch_status" in document.shareable
	not "free_reduced_lunch_status" in document.all_education_records
	not "ssn" in document.shareable
}
