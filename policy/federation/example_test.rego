# METADATA
# title: An input for the tests
# description: A case manager asks for the attendance of students at two schools; all is in order.
package homeroom.federation.example_test

facts := {
	"schema": 1,
	"now": "2026-03-10T14:00:00Z",
	"query": {
		"requester": "neighborhood_initiative",
		"purpose": "direct_service",
		"basis": "consent",
		"dataset": "attendance",
		"elements": ["daily_attendance", "school_of_enrollment"],
		"level": "student",
		"schools": [],
	},
	"requester": {
		"organization_id": "neighborhood_initiative",
		"kind": "community_org",
		"standing": "active",
	},
	"user": {"role": "case_manager", "training_valid_to": "2026-12-31"},
	"holder": {
		"organization_id": "harbor_ps",
		"kind": "district",
		"dataset_elements": ["daily_attendance", "school_of_enrollment"],
		"max_state_age_seconds": 30,
	},
	"agreement": agreement,
	"state": {
		"registry_sequence": 7,
		"registry_confirmed_at": "2026-03-10T13:59:55Z",
		"consent_sequence": 9,
		"consent_confirmed_at": "2026-03-10T13:59:58Z",
	},
}

agreement := {
	"id": "DSA-M1",
	"version": 1,
	"kind": "consented_sharing",
	"state": "active",
	"parties": ["harbor_ps", "neighborhood_initiative"],
	"signed_by": ["harbor_ps", "neighborhood_initiative"],
	"disclosers": ["harbor_ps"],
	"recipients": ["neighborhood_initiative"],
	"legal_basis": ["consent"],
	"purposes": ["direct_service", "program_evaluation"],
	"elements": ["daily_attendance", "school_of_enrollment", "suspensions"],
	"level": "student",
	"schools": {"only": ["elm_k8", "river_high"]},
	"effective_from": "2025-08-01",
	"effective_to": "2026-07-31",
}

# The same input with one member written over, or added.
with_value(path, value) := json.patch(facts, [{"op": "add", "path": path, "value": value}])

without(path) := json.remove(facts, [path])

test_example_has_every_part if object.keys(facts) == {
	"schema", "now", "query", "requester", "user", "holder", "agreement", "state",
}
