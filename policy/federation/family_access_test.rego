package homeroom.federation.family_access_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.family_access

asked := example.asking(
	example.claiming("parent_or_student_access"),
	["course_grades", "disclosure_record"],
)

related(relation) := example.changed(asked, "/matters/access/relation", relation)

test_parent_and_eligible_student_read_everything if {
	every relation in ["parent", "eligible_student"] {
		family_access.codes == set() with input as related(relation)
		family_access.served == {"course_grades", "disclosure_record"} with input as related(relation)
		family_access.withheld == set() with input as related(relation)
	}
}

test_minor_student_does_not_inspect_the_record_of_disclosures if {
	family_access.codes == set() with input as related("minor_student")
	family_access.withheld == {[
		"disclosure_record",
		"record_inspection_not_permitted",
	]} with input as related("minor_student")
}

test_rights_not_held if {
	family_access.codes == {"rights_not_held_by_requester"} with input as related("neighbor")
	ended := example.changed(asked, "/matters/access/rights", "revoked_by_court_order")
	family_access.codes == {"rights_not_held_by_requester"} with input as ended
}
