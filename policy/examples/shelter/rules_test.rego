package homeroom.local.rules_test

import data.homeroom.local.rules

asked := {"query": {
	"basis": "partner_record",
	"requester": "harbor_ps",
	"elements": ["program_participation"],
	"onward_to": [],
}}

test_open_to_a_known_district if rules.open with input as asked

test_closed if {
	cases := {
		"/query/basis": "child_welfare",
		"/query/requester": "city_police",
		"/query/onward_to": ["city_housing_authority"],
	}
	every path, value in cases {
		changed := json.patch(asked, [{"op": "add", "path": path, "value": value}])
		not rules.open with input as changed
	}
	not rules.open with input as {}
}

test_families_agreed_and_the_user_works_with_the_child if {
	rules.withheld == set()
	rules.conditions == {"program_participation": ["consented", "on_caseload"]} with input as asked
}
