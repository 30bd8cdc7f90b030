package homeroom.local.rules_test

import data.homeroom.local.rules

asked := {
	"now": "2026-03-10T14:00:00Z",
	"query": {"basis": "consent", "elements": ["gpa", "suspensions"]},
	"requester": {"kind": "community_org"},
}

with_value(path, value) := json.patch(asked, [{"op": "add", "path": path, "value": value}])

test_open_but_for_directory_information if {
	rules.open with input as asked
	not rules.open with input as with_value("/query/basis", "directory_information")
	not rules.open with input as {}
}

test_schools_get_directory_information if {
	school := json.patch(with_value("/query/basis", "directory_information"), [{
		"op": "add",
		"path": "/requester/kind",
		"value": "district",
	}])
	rules.open with input as school
}

test_grades_outside_the_school_year if {
	rules.withheld == set() with input as asked
	summer := with_value("/now", "2026-07-10T14:00:00Z")
	rules.withheld == {{"element": "gpa", "reason": "local_rule_withheld"}} with input as summer
	rules.withheld == set() with input as json.patch(summer, [{
		"op": "add",
		"path": "/requester/kind",
		"value": "district",
	}])
}

test_suspensions_are_for_those_who_work_with_the_student if {
	rules.conditions == {"suspensions": ["on_caseload"]} with input as asked
}
