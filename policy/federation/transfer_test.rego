package homeroom.federation.transfer_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.transfer

facts := example.claiming("transfer")

notice := json.remove(facts, ["/matters/transfer/parent_initiated"])

test_allowed if {
	every status in ["seeks", "intends", "enrolled"] {
		transfer.codes == set() with input as example.changed(facts, "/matters/transfer/student_status", status)
	}
}

test_refused if {
	cases := {
		"/matters/transfer/student_status": ["none", "transfer_no_enrollment_intent"],
		"/matters/transfer/relates_to_enrollment": [false, "purpose_not_permitted_by_basis"],
		"/requester/kind": ["vendor", "purpose_not_permitted_by_basis"],
		"/matters/transfer/parent_initiated": [false, "prior_notice_missing"],
	}
	every path, case in cases {
		transfer.codes == {case[1]} with input as example.changed(facts, path, case[0])
	}
}

test_any_notice_is_enough if {
	transfer.codes == {"prior_notice_missing"} with input as notice
	told := "/matters/transfer/notice_attempted_on"
	transfer.codes == set() with input as example.changed(notice, told, "2026-03-10")
	transfer.codes == {"prior_notice_missing"} with input as example.changed(notice, told, "2026-03-11")
	yearly := "/holder/notices/forwards_records_on_transfer"
	transfer.codes == set() with input as example.changed(notice, yearly, true)
}
