package homeroom.federation.requester_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.requester

test_active if requester.organization_active with input as example.facts

test_refused_by_standing if {
	cases := {
		"suspended": "org_suspended",
		"debarred": "org_debarred",
		"pending": "org_not_registered",
		"unknown": "org_not_registered",
		"else": "org_not_registered",
	}
	every standing, code in cases {
		facts := example.with_value("/requester/standing", standing)
		requester.refused_as == code with input as facts
		not requester.organization_active with input as facts
	}
}

test_bar_has_a_last_day if {
	barred := example.with_value("/requester/standing", "debarred")
	until := "/requester/debarred_until"
	requester.organization_active with input as example.changed(barred, until, "2026-03-09")
	not requester.organization_active with input as example.changed(barred, until, "2026-03-10")
	suspended := example.with_value("/requester/standing", "suspended")
	not requester.organization_active with input as example.changed(suspended, until, "2026-03-09")
}

test_emergency_and_order_go_to_the_unregistered if {
	every basis in ["emergency", "judicial_order"] {
		unknown := example.changed(example.claiming(basis), "/requester/standing", "unknown")
		requester.organization_active with input as unknown
		not requester.organization_active with input as example.changed(unknown, "/requester/standing", "suspended")
	}
	other := example.changed(example.claiming("transfer"), "/requester/standing", "unknown")
	not requester.organization_active with input as other
}

test_standing_of_another_organization_does_not_count if {
	facts := example.with_value("/requester/organization_id", "harbor_ps")
	not requester.organization_active with input as facts
	requester.refused_as == "org_not_registered" with input as facts
	barred := json.patch(facts, [
		{"op": "add", "path": "/requester/standing", "value": "debarred"},
		{"op": "add", "path": "/requester/debarred_until", "value": "2026-03-09"},
	])
	not requester.organization_active with input as barred
	unknown := json.patch(example.claiming("emergency"), [
		{"op": "add", "path": "/requester/standing", "value": "unknown"},
		{"op": "add", "path": "/requester/organization_id", "value": "harbor_ps"},
	])
	not requester.organization_active with input as unknown
}

test_user_known_and_trained if {
	requester.user_authenticated with input as example.facts
	requester.user_trained with input as example.facts
	requester.training_ends_at == "2026-12-31T23:59:59Z" with input as example.facts
}

test_training_covers_its_last_day if {
	requester.user_trained with input as example.with_value("/user/training_valid_to", "2026-03-10")
	not requester.user_trained with input as example.with_value("/user/training_valid_to", "2026-03-09")
}

test_parents_need_no_training if {
	parent := example.claiming("parent_or_student_access")
	not requester.training_ends_at with input as parent
	untrained := json.remove(parent, ["/user/training_valid_to"])
	requester.user_trained with input as untrained
	not requester.training_ends_at with input as untrained
}

test_nobody_is_not_known if {
	not requester.user_authenticated with input as example.without("/user")
	not requester.user_authenticated with input as example.with_value("/user/authenticated", false)
	not requester.user_authenticated with input as example.without("/user/role")
	not requester.user_trained with input as example.without("/user")
	not requester.user_trained with input as example.without("/user/training_valid_to")
}
