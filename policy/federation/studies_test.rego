package homeroom.federation.studies_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.studies

facts := example.claiming("studies")

test_allowed if {
	every aim in ["improve_instruction", "predictive_tests", "student_aid"] {
		studies.codes == set() with input as example.changed(facts, "/matters/study/aim", aim)
	}
}

test_refused if {
	cases := {"aim": "other", "on_behalf_of_holder": false, "identifies_to_others": true}
	every part, value in cases {
		wrong := example.changed(facts, concat("/", ["/matters/study", part]), value)
		studies.codes == {"purpose_not_permitted_by_basis"} with input as wrong
	}
}
