package homeroom.federation.school_official_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.school_official

facts := example.claiming("school_official")

employee := example.changed(facts, "/user/employee_of_holder", true)

test_outside_party if {
	school_official.codes == set() with input as facts
	school_official.served == {"daily_attendance", "school_of_enrollment"} with input as facts
	school_official.withheld == set() with input as facts
}

test_each_test_of_an_outside_party_counts if {
	every part in [
		"institutional_service", "direct_control", "bound_by_99_33a", "meets_published_criteria",
	] {
		failing := example.changed(facts, concat("/", ["/matters/school_official", part]), false)
		school_official.codes == {"school_official_criteria_not_met"} with input as failing
		school_official.withheld == set() with input as failing
		school_official.codes == set() with input as example.changed(failing, "/user/employee_of_holder", true)
	}
}

test_notice_names_who_is_inside if {
	unnamed := example.changed(employee, "/holder/notices/school_official_criteria", [])
	inside := json.remove(unnamed, ["/matters"])
	school_official.codes == {"school_official_criteria_not_met"} with input as inside
}

test_only_what_the_work_needs if {
	asked := example.changed(facts, "/query/elements", ["daily_attendance", "iep"])
	school_official.withheld == {["iep", "user_no_legitimate_interest"]} with input as asked
	nothing := json.remove(employee, ["/matters"])
	count(school_official.withheld) == 2 with input as nothing
}

test_custodians_read_the_record_of_disclosures if {
	asked := example.changed(facts, "/query/elements", ["disclosure_record"])
	school_official.withheld == {["disclosure_record", "record_inspection_not_permitted"]} with input as asked
	custodian := example.changed(asked, "/user/employee_of_holder", true)
	school_official.withheld == set() with input as custodian
	school_official.served.disclosure_record with input as custodian
}

test_custodians_read_that_record_where_their_work_needs_it if {
	other_work := example.changed(employee, "/matters/school_official/elements_needed", ["gpa"])
	school_official.served == {"gpa"} with input as other_work
}
