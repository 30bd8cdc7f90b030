package homeroom.federation.audit_test

import data.homeroom.federation.audit
import data.homeroom.federation.example_test as example

facts := example.claiming("audit_evaluation")

test_allowed if audit.codes == set() with input as facts

test_refused if {
	every part in ["subject_is_education_program", "publicly_supported"] {
		wrong := example.changed(facts, concat("/", ["/matters/audit", part]), false)
		audit.codes == {"purpose_not_permitted_by_basis"} with input as wrong
	}
}
