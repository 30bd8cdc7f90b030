package homeroom.federation.partner_record_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.partner_record

asked := example.asking(example.claiming("partner_record"), ["course_grades", "program_attendance"])

test_own_records_are_served if {
	partner_record.codes == set() with input as asked
	partner_record.served == {"program_attendance"} with input as asked
}

test_what_a_school_gave_is_not_passed_on if {
	partner_record.withheld == {["course_grades", "redisclosure_not_permitted"]} with input as asked
}

test_a_school_has_no_partner_records if {
	school := example.changed(asked, "/holder/ferpa_covered", true)
	partner_record.codes == {"purpose_not_permitted_by_basis"} with input as school
}
